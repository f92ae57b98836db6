"""Prints the golden values of src/mask/rle/tests.rs: what pycocotools and CVAT's own SDK say of small masks.

Needs `pip install pycocotools cvat_sdk`; run `python tests/reference/run_lengths.py`.
"""

import numpy as np
from cvat_sdk.masks import encode_mask
from pycocotools import mask as coco

PICTURES = {
    "one pixel": ["1"],
    "two pixels": ["01"],
    "a block": ["0110", "0110", "0000"],
    "a checkerboard": ["0101", "1010", "0101"],
    "three classes": ["001122", "011222", "111220"],
    "over the columns' ends": ["010", "000", "100"],
    "long runs": ["11" if 1200 <= y < 4700 else "02" for y in range(5000)],
}

for name, rows in PICTURES.items():
    picture = np.array([[int(digit) for digit in row] for row in rows], dtype=np.uint8)
    for id in np.unique(picture):
        inside = picture == id
        rle = coco.encode(np.asfortranarray(inside.astype(np.uint8)))
        box = coco.toBbox(rle).astype(int).tolist()
        left, top, width, height = box
        cvat = encode_mask(inside, [left, top, left + width, top + height])[:-4]
        text = ", ".join(str(int(count)) for count in cvat)
        print(f'("{name}", {id}, r"{rle["counts"].decode()}", {coco.area(rle)}, {box}, "{text}"),')
