"""A checkpoint of the DPT family -> a folder in transformers' format.   python weights_convert.py SRC DST [options]

The work is done by minidpt.conversion; this is `minidpt convert` under the name that converter scripts have elsewhere.
"""

import sys

from minidpt.cli import main

if __name__ == "__main__":
    sys.exit(main(["convert", *sys.argv[1:]]))
