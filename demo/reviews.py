"""Reading ``clothing-reviews.csv``: 1,000 real posts on 149 garments (CC0)."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).with_name("clothing-reviews.csv")


@dataclass(frozen=True)
class Review:
    """One row. ``number`` is its place in the file; ``title`` and ``text`` may be empty; ``helpful`` counts votes."""

    number: int
    clothing_id: str
    age: int
    title: str
    text: str
    rating: int
    helpful: int
    division: str
    department: str
    class_name: str


def read_reviews(path: Path = SOURCE) -> tuple[Review, ...]:
    with path.open(encoding="utf-8", newline="") as file:
        return tuple(_review(row) for row in csv.DictReader(file))


def _review(row: dict[str, str]) -> Review:
    text = "\n".join(" ".join(line.split()) for line in row["Review Text"].split("\n")).strip()
    if len(row["Review Text"]) >= 498 and text[-1:] not in ".!?)":
        text += " \u2026"  # the source cuts at about 500 characters
    return Review(
        number=int(row[""]),
        clothing_id=row["Clothing ID"],
        age=int(row["Age"]),
        title=" ".join(row["Title"].split()),
        text=text,
        rating=int(row["Rating"]),
        helpful=int(row["Positive Feedback Count"]),
        division=row["Division Name"].replace("Initmates", "Intimates"),
        department=row["Department Name"],
        class_name=row["Class Name"],
    )
