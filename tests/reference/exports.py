#!/usr/bin/env python3
"""Reads what `sedge masks export` wrote with the tools that it is for, and compares it with the masks.

    exports.py DIR

DIR holds `png`, `coco.json`, `annotations.xml`, `shares.csv` and `sheet.png` of one store, all of its classes. Prints a
line for everything that is wrong; needs scripts/requirements.txt.
"""

import contextlib
import csv
import io
import json
import sys
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools.coco import COCO

BACKGROUND = 0


def masks(folder):
    """File name to class ids; the order is that of the index."""
    found = {}
    for line in (folder / "index.jsonl").read_text().splitlines():
        name = json.loads(line)["file"]
        image = Image.open(folder / name)
        if image.mode != "P":
            print(f"{name}: mode {image.mode}")
        found[name] = np.array(image)
    return found


def check_coco(path, pictures):
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO(path)
    if [image["file_name"] for image in coco.imgs.values()] != list(pictures):
        print("coco: other images")
    for image in coco.imgs.values():
        picture = pictures[image["file_name"]]
        painted = np.full(picture.shape, BACKGROUND)
        for annotation in coco.loadAnns(coco.getAnnIds(image["id"])):
            inside = coco.annToMask(annotation).astype(bool)
            painted[inside] = annotation["category_id"]
            rows, columns = np.nonzero(inside)
            box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
            if annotation["area"] != inside.sum() or annotation["bbox"] != box:
                print(f"coco: {image['file_name']}: {annotation}")
        if (painted != picture).any():
            print(f"coco: {image['file_name']}: {(painted != picture).sum()} pixels differ")


def check_cvat(path, pictures, ids):
    root = xml.etree.ElementTree.parse(path).getroot()
    labels = {label.findtext("name") for label in root.iter("label")}
    for image in root.iter("image"):
        picture = pictures[image.get("name")]
        painted = np.full((int(image.get("height")), int(image.get("width"))), BACKGROUND)
        for mask in image.iter("mask"):
            left, top, width, height = (int(mask.get(key)) for key in ("left", "top", "width", "height"))
            counts = [int(count) for count in mask.get("rle").split(",")]
            inside = np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(height, width)
            painted[top : top + height, left : left + width][inside] = ids[mask.get("label")]
            if mask.get("label") not in labels:
                print(f"cvat: {mask.get('label')} is no label")
        if painted.shape != picture.shape or (painted != picture).any():
            print(f"cvat: {image.get('name')} differs")
    if len(list(root.iter("image"))) != len(pictures):
        print("cvat: other images")


def check_csv(path, pictures, ids):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    if len(rows) != len(pictures):
        print(f"csv: {len(rows)} rows")
    for row, picture in zip(rows, pictures.values()):
        for name, id in ids.items():
            if abs(float(row[name]) - (picture == id).mean()) > 1e-6:
                print(f"csv: {row}: {name}")


def main():
    folder = Path(sys.argv[1])
    pictures = masks(folder / "png")
    classes = json.loads((folder / "png" / "classes.json").read_text())
    ids = {entry["name"]: entry["id"] for entry in classes}
    check_coco(folder / "coco.json", pictures)
    check_cvat(folder / "annotations.xml", pictures, ids)
    check_csv(folder / "shares.csv", pictures, ids)
    sheet = Image.open(folder / "sheet.png")
    sheet.load()
    if sheet.mode != "RGB":
        print(f"sheet: mode {sheet.mode}")


main()
