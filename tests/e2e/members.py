"""The members that a request carries, as botocore's service models name them."""

from urllib.parse import parse_qsl, urlsplit
from xml.etree import ElementTree

from recorder import NAMES, SESSION, understood


def carried(service, method, path, headers, body):
    """The service by its name in botocore, the operation, and the paths of the members that a request carries."""
    if service == "s3":
        operation, paths = of_s3(method, path, headers, body)
        return "s3", operation.name, set(paths)
    operation, value, _ = understood(service, method, path, headers, body)
    return NAMES.get(service, service), operation.name, set(leaves(operation.input_shape, value, ""))


def leaves(shape, value, at):
    """The paths of what stands in a value, through lists and down to maps: `Tags.Key`, `Environment.Variables`."""
    kind = shape.type_name if shape is not None else None
    if kind == "structure" and isinstance(value, dict) and value and not shape.is_document_type:
        for name, inner in value.items():
            yield from leaves(shape.members.get(name), inner, f"{at}.{name}" if at else name)
    elif kind == "list" and isinstance(value, list) and shape.member.type_name in ("structure", "list"):
        for inner in value:
            yield from leaves(shape.member, inner, at)
    elif value is not None and at:
        yield at


def exists(service, operation, path):
    """Whether the output of an operation has a member there; what stands in a map, a document or a text isn't known."""
    shape = SESSION.get_service_model(service).operation_model(operation).output_shape
    for name in path:
        while shape is not None and shape.type_name == "list":
            shape = shape.member
        if shape is None or shape.type_name != "structure" or getattr(shape, "is_document_type", False):
            return shape is not None
        if name not in shape.members:
            return False
        shape = shape.members[name]
    return True


def of_s3(method, path, headers, body):
    """The operation of a request to S3, which query and headers distinguish, and the paths of its members."""
    parts, sent = urlsplit(path), {name.lower() for name in headers}
    query = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} - {"x-id"}
    levels = min(len(parts.path.strip("/").split("/", 1)), 2) if parts.path.strip("/") else 0
    model = SESSION.get_service_model("s3")
    found = []
    for operation in map(model.operation_model, model.operation_names):
        template = urlsplit(operation.http["requestUri"])
        asked = {name for name, _ in parse_qsl(template.query, keep_blank_values=True)} - {"x-id"}
        fits = operation.http["method"] == method and levels == template.path.count("{") and asked <= query
        if operation.deprecated or not fits:
            continue
        members = operation.input_shape.members if operation.input_shape else {}
        required = operation.input_shape.required_members if operation.input_shape else []
        located = {"querystring": {}, "header": {}, "headers": {}}
        for name, shape in members.items():
            located.get(shape.serialization.get("location"), {})[shape.serialization.get("name", name).lower()] = name
        needed = {wire for where in ("querystring", "header") for wire, name in located[where].items() if name in required}
        rest = {name.lower() for name in query - asked}
        if rest <= located["querystring"].keys() and needed <= sent | rest:
            found.append((len(asked), len(needed), -len(operation.name), operation.name, located))
    *_, name, located = max(found, key=lambda one: one[:4])
    operation = model.operation_model(name)
    shape = operation.input_shape
    paths = [member for member, inner in shape.members.items() if inner.serialization.get("location") == "uri"]
    paths += [member for wire, member in located["header"].items() if wire in sent]
    paths += [located["querystring"][wire.lower()] for wire in query if wire.lower() in located["querystring"]]
    for prefix, member in located["headers"].items():
        paths += [member] if any(name.startswith(prefix) for name in sent) else []
    payload = shape.serialization.get("payload")
    if payload and body and shape.members[payload].type_name == "structure":
        paths += elements(shape.members[payload], ElementTree.fromstring(body), payload)
    elif payload and body:
        paths.append(payload)
    return operation, paths


def elements(shape, element, at):
    """The paths of the members that an XML element holds; what the shape lacks keeps its name."""
    while shape is not None and shape.type_name == "list":
        if not shape.serialization.get("flattened"):
            for inner in element:
                yield from elements(shape.member, inner, at)
            return
        shape = shape.member
    if len(element) == 0 or shape is None or shape.type_name != "structure":
        yield at
        return
    located = {member.serialization.get("name", name): name for name, member in shape.members.items()}
    for inner in element:
        wire = inner.tag.rpartition("}")[2]
        name = located.get(wire, wire)
        yield from elements(shape.members.get(name), inner, f"{at}.{name}")
