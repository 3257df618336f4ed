"""How fast, how large, how exact: minidpt beside the other engines that run the same model on the same machine.

machine     what the computer is, and the environment that bounds a process: threads, instructions
workload    a model with random weights of a published one's shapes, in a folder that every engine loads
engines     minidpt, PyTorch, ONNX Runtime and OpenVINO behind one call; the only file that imports the others
worker      one engine in a process of its own, asked over a pipe
cold        one photo from start to files, as the smallest program on another engine would do it
contest     workers in turns: times, peak memory, cold starts, errors
profile     one model's time by stage and by op
roofline    what the machine could do at best
tables      results as Markdown, between README's markers
"""
