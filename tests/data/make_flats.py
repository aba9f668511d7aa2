"""Makes fastnn/datasets/flats.csv.gz: 600 flats that do not exist, as people write them.

python make_flats.py
"""

import csv
import gzip
import io
import pathlib

import numpy as np

FILE = pathlib.Path(__file__).parents[2] / "fastnn" / "datasets" / "flats.csv.gz"
N = 600
DISTRICTS = {"north": 9, "centre": 14, "harbour": 12}  # rent of a square metre in January 2024
FLOORS = "ground", "1st", "2nd", "3rd", "4th", "5th"


def flats_csv():
    """Return the text of the file."""
    rng = np.random.default_rng(0)
    area = rng.uniform(20, 150, N).round()
    district = rng.choice(list(DISTRICTS), N)
    floor = rng.integers(0, len(FLOORS), N)
    day = rng.integers(0, 700, N)
    metre = np.array([DISTRICTS[name] for name in district]) + day / 300
    rent = (area * metre * (1 + 0.02 * floor) * np.exp(0.1 * rng.standard_normal(N))).round()
    size = [("n/a", "", f"{a:.0f} sqm")[min(2, rng.integers(0, 20))] for a in area]
    listed = [f"{date:%d.%m.%Y}" for date in (np.datetime64("2024-01-01") + day).tolist()]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["Area", "District", "Floor", "Listed", "Deposit", "Rent"])
    deposit = [f"${3 * money:,.0f}" for money in rent]  # three rents
    floors = [FLOORS[i] for i in floor]
    writer.writerows(zip(size, district, floors, listed, deposit, rent.astype(int)))
    return file.getvalue()


if __name__ == "__main__":
    FILE.write_bytes(gzip.compress(flats_csv().encode("ascii"), mtime=0))
