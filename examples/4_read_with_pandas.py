"""Read a search with pandas, also while it runs.

python 4_read_with_pandas.py search_a_function
"""

import sys

import pandas as pd

import dh_project as dh

found = dh.open_search(sys.argv[1] if sys.argv[1:] else "search_a_function")
table = found.table()  # one row for each ended trial, with the columns of results.csv

points = [name for name in table if name.startswith("p:")]
print(table.nlargest(5, "objective")[[*points, "objective"]])

print(table["job_status"].value_counts().to_string())
print(table[table["objective"].isna()][["job_id", "m:reason"]])  # failed trials, and why

table["best so far"] = table["objective"].cummax()
table["seconds"] = table["m:timestamp_gather"] - table["m:timestamp_submit"]
print(table[["job_id", "objective", "best so far", "seconds"]].tail())

# The same table without dh_project, for other programs.
same = pd.read_csv(found.folder / "results.csv")
print(len(same), "rows")
