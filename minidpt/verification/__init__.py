"""Holding a model against a reference, stage by stage.

watch.py    where each of minidpt's named stages is found in transformers' modules
"""
