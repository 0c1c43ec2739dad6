"""Prints Balsam's defaults for a system: settings, job template, and the resources of a node.

Standard input is JSON: ``system`` is the name of a folder of Balsam's defaults, ``changed`` holds the settings that
differ from it.
"""

from __future__ import annotations

import json
import sys

from balsam.config import site_builder
from balsam.config.config import import_string


def main() -> None:
    """Print the defaults."""
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
