"""Print what Balsam ships for a system: its settings, its job template, and what its nodes hold.

Reads from standard input, as JSON: ``system``, the folder's name among Balsam's defaults, and ``changed``, what of
the settings is another.
"""

from __future__ import annotations

import json
import sys

from balsam.config import site_builder
from balsam.config.config import import_string


def main() -> None:
    """Print it."""
    asked = json.load(sys.stdin)
    all_shipped = site_builder.load_default_configs()
    folder = next(folder for folder in all_shipped if folder.name == asked["system"])
    shipped = all_shipped[folder].copy(update=asked["changed"])
    node = import_string(shipped.compute_node)
    found = {
        "settings": site_builder.render_settings_file(shipped.dict()),
        "template": (folder / "job-template.sh").read_text(),
        "node": {
            "cores": len(node.cpu_ids),
            "gpus": len(node.gpu_ids),
            "packs": shipped.mpirun_allows_node_packing,
        },
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
