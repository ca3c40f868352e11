#!/usr/bin/env python3
"""Makes the Postman collection from the OpenAPI document.

usage: postman.py          writes schemas/millrace.postman_collection.json
       postman.py --check  status 1 if that file is not what would be written
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OPENAPI = ROOT / "src/ops/web/openapi.json"
COLLECTION = ROOT / "schemas/millrace.postman_collection.json"
FORMAT = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
METHODS = ("get", "post", "put", "delete")


def example_of(parameter):
    schema = parameter["schema"]
    return str(schema.get("default", schema.get("minimum", "")))


def url_of(path, parameters):
    segments = [part.replace("{", ":").replace("}", "") for part in path.strip("/").split("/")]
    named = lambda place: [p for p in parameters if p["in"] == place]
    return {
        "raw": "{{baseUrl}}/" + "/".join(segments),
        "host": ["{{baseUrl}}"],
        "path": segments,
        "query": [
            {
                "key": p["name"],
                "value": example_of(p),
                "description": p.get("description", ""),
                "disabled": not p.get("required", False),
            }
            for p in named("query")
        ],
        "variable": [{"key": p["name"], "value": ""} for p in named("path")],
    }


def item_of(path, method, operation):
    parameters = operation.get("parameters", [])
    request = {
        "method": method.upper(),
        "description": operation["summary"],
        "url": url_of(path, parameters),
        "header": [
            {"key": p["name"], "value": "", "description": p["description"], "disabled": True}
            for p in parameters
            if p["in"] == "header"
        ],
    }
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        request["header"].append({"key": "Content-Type", "value": media_type})
        if "example" in content:
            raw = json.dumps(content["example"], indent=2)
            request["body"] = {
                "mode": "raw",
                "raw": raw,
                "options": {"raw": {"language": "json"}},
            }
    return {"name": operation["operationId"], "request": request}


def collection_of(openapi):
    folders = {tag["name"]: [] for tag in openapi["tags"]}
    for path, operations in openapi["paths"].items():
        for method in METHODS:
            if method in operations:
                operation = operations[method]
                folders[operation["tags"][0]].append(item_of(path, method, operation))
    info = openapi["info"]
    return {
        "info": {"name": info["title"], "description": info["description"], "schema": FORMAT},
        "item": [{"name": name, "item": items} for name, items in folders.items()],
        "variable": [{"key": "baseUrl", "value": openapi["servers"][0]["url"]}],
    }


def main():
    if sys.argv[1:] not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    text = json.dumps(collection_of(json.loads(OPENAPI.read_text())), indent=1) + "\n"
    if sys.argv[1:]:
        if COLLECTION.exists() and COLLECTION.read_text() == text:
            return 0
        print(f"{COLLECTION.relative_to(ROOT)} is not up to date; run tools/postman.py")
        return 1
    COLLECTION.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
