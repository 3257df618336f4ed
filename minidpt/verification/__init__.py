"""Holding a model against a reference, stage by stage. In the order of use:

subject.py      the model, its input, and every stage that minidpt computes of it
watch.py        where each of minidpt's named stages is found in transformers' modules
counterpart.py  the same checkpoint as a transformers module (needs the extra `parity`)
reference.py    what that module computes in float64, and the error of its own float32 pass
recorded.py     a reference in a file, for machines without torch
comparison.py   error, place and bound of every stage; the report
published.py    the few numbers that a published model is known to answer
"""
