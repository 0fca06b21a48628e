# SPDX-License-Identifier: MIT
"""What the scripts of this folder share: how the golden numbers are written.

A file of numbers is one JSON object. Finite numbers are doubles in their shortest decimal
form that reads back exactly; "inf", "-inf" and "nan" are strings, since JSON has no such
numbers.
"""

import json
import math
from pathlib import Path


def plain(value):
    """The value as JSON has it; numbers of any type (mpmath, torch) become doubles."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (str, bool, int)):
        return value
    value = float(value) + 0.0  # never -0.0
    return value if math.isfinite(value) else str(value)


def write_json(script, data):
    """Writes `data` beside the script, one record a line, so that changes can be read."""

    def block(value):
        items = list(value.values()) if isinstance(value, dict) else value
        if not isinstance(items, list) or not isinstance(items[0], (dict, list)):
            return json.dumps(value)
        if isinstance(value, dict):
            rows = [f"{json.dumps(key)}: {json.dumps(row)}" for key, row in value.items()]
            return "{\n" + ",\n".join(rows) + "\n}"
        return "[\n" + ",\n".join(json.dumps(row) for row in value) + "\n]"

    blocks = [f"{json.dumps(key)}: {block(value)}" for key, value in plain(data).items()]
    Path(script).with_suffix(".json").write_text("{\n" + ",\n".join(blocks) + "\n}\n")


def write_safetensors(script, tensors):
    """Writes the named tensors beside the script, in float64."""
    from safetensors.torch import save_file

    path = Path(script).with_suffix(".safetensors")
    doubles = {name: value.detach().double() for name, value in tensors.items()}
    save_file({name: value.contiguous() for name, value in doubles.items()}, path)
    path.chmod(0o644)


def relative_error(value, expected):
    """Of two tensors: the largest error, relative where the expected value exceeds 1."""
    value, expected = value.detach(), expected.detach()
    return float((abs(value - expected) / (1 + abs(expected))).max())
