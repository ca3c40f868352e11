"""The Postman collection is made from the OpenAPI document, and has all of it."""

import json

import postman


def test_the_collection_is_what_the_document_gives():
    openapi = json.loads(postman.OPENAPI.read_text())
    assert json.loads(postman.COLLECTION.read_text()) == postman.collection_of(openapi)


def test_every_operation_is_in_the_collection_once():
    openapi = json.loads(postman.OPENAPI.read_text())
    wanted = sorted(
        operation["operationId"]
        for path in openapi["paths"].values()
        for operation in path.values()
    )
    folders = postman.collection_of(openapi)["item"]
    assert sorted(item["name"] for folder in folders for item in folder["item"]) == wanted


def test_paths_parameters_and_bodies_arrive():
    operation = {
        "operationId": "send",
        "summary": "Sends",
        "parameters": [
            {"name": "topic", "in": "path", "schema": {"type": "string"}},
            {"name": "wait", "in": "query", "schema": {"default": 5}, "description": "ms"},
        ],
        "requestBody": {"content": {"application/json": {"example": {"a": 1}}}},
    }
    request = postman.item_of("/v1/topics/{topic}", "post", operation)["request"]
    assert request["url"]["raw"] == "{{baseUrl}}/v1/topics/:topic"
    assert request["url"]["query"][0]["value"] == "5"
    assert json.loads(request["body"]["raw"]) == {"a": 1}
