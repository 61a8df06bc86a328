//! From a schema's text to its nodes.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::logical::meaning;
use super::{Enum, Field, Fixed, Name, Node, NodeId, Record};
use crate::reject::shown;
use crate::text::push_string;

/// What is wrong with a schema.
type Parsed<T> = Result<T, String>;

/// Collects the nodes of one schema or of several that refer to each other.
#[derive(Debug, Default)]
pub(crate) struct Parser {
    pub(crate) nodes: Vec<Node>,
    /// Types by full name, and by alias where no type has that name.
    names: HashMap<String, NodeId>,
    aliases: HashMap<String, NodeId>,
}

impl Parser {
    /// Adds a schema. What refers to a name finds it in what was added before.
    pub(crate) fn schema(&mut self, text: &str) -> Parsed<NodeId> {
        // A schema that is one type's name may be written without the quotes that JSON asks for.
        let bare = text.trim();
        if !bare.is_empty() && bare.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')) {
            return self.named(bare, "");
        }
        let value: Value = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))?;
        self.node(&value, "")
    }

    fn add(&mut self, node: Node) -> NodeId {
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// A type. `space` is the namespace around it. serde_json bounds the depth of what it reads, and so of this.
    fn node(&mut self, value: &Value, space: &str) -> Parsed<NodeId> {
        match value {
            Value::String(name) => self.named(name, space),
            Value::Array(branches) => self.union(branches, space),
            Value::Object(attributes) => self.object(attributes, space),
            other => Err(format!("`{}` is no type", shown(&other.to_string()))),
        }
    }

    fn named(&mut self, name: &str, space: &str) -> Parsed<NodeId> {
        if let Some(node) = primitive(name) {
            return Ok(self.add(node));
        }
        let full = full_name(name, space);
        // A name without a dot that its namespace doesn't hold may be one of no namespace, as older writers have it.
        let known = self.names.get(&full).or_else(|| self.names.get(name));
        let known = known.or_else(|| self.aliases.get(&full));
        known.copied().ok_or_else(|| format!("there is no type `{}`", shown(&full)))
    }

    fn union(&mut self, branches: &[Value], space: &str) -> Parsed<NodeId> {
        let mut nodes = Vec::with_capacity(branches.len());
        let mut seen = Vec::with_capacity(branches.len());
        for branch in branches {
            let node = self.node(branch, space)?;
            let kind = match &self.nodes[node] {
                Node::Union(_) => return Err("a union stands immediately in a union".to_owned()),
                other => branch_key(other, node),
            };
            if seen.contains(&kind) {
                return Err(format!("a union has `{}` twice", shown(&kind)));
            }
            seen.push(kind);
            nodes.push(node);
        }
        Ok(self.add(Node::Union(nodes)))
    }

    fn object(&mut self, attributes: &Map<String, Value>, space: &str) -> Parsed<NodeId> {
        let kind = match attributes.get("type") {
            Some(Value::String(kind)) => kind.as_str(),
            // `{"type": {…}}`: the inner type.
            Some(inner) => return self.node(inner, space),
            None => return Err("a type lacks its `type`".to_owned()),
        };
        match kind {
            "array" => {
                let items = attributes.get("items").ok_or("an array lacks its `items`")?;
                let items = self.node(items, space)?;
                Ok(self.add(Node::Array(items)))
            }
            "map" => {
                let values = attributes.get("values").ok_or("a map lacks its `values`")?;
                let values = self.node(values, space)?;
                Ok(self.add(Node::Map(values)))
            }
            "record" | "error" => self.record(attributes, space),
            "enum" => {
                let name = name(attributes, space)?.0;
                let node = enumeration(name.clone(), attributes)?;
                let id = self.define(name)?;
                self.nodes[id] = node;
                Ok(id)
            }
            "fixed" => {
                let name = name(attributes, space)?.0;
                let size = attributes.get("size").and_then(Value::as_u64).and_then(|size| usize::try_from(size).ok());
                let size = size.ok_or_else(|| format!("`{}` lacks its `size`", shown(&name.full)))?;
                let id = self.define(name.clone())?;
                self.nodes[id] = meaning(Node::Fixed(Fixed { name, size }), attributes);
                Ok(id)
            }
            other => match primitive(other) {
                Some(plain) => Ok(self.add(meaning(plain, attributes))),
                None => self.named(other, space),
            },
        }
    }

    fn record(&mut self, attributes: &Map<String, Value>, space: &str) -> Parsed<NodeId> {
        let (name, space) = name(attributes, space)?;
        // Its fields may refer to it.
        let id = self.define(name.clone())?;
        let listed = attributes.get("fields").and_then(Value::as_array);
        let listed = listed.ok_or_else(|| format!("`{}` lacks its `fields`", shown(&name.full)))?;
        let mut fields: Vec<Field> = Vec::with_capacity(listed.len());
        let mut seen = std::collections::HashSet::with_capacity(listed.len());
        for field in listed {
            let field = self.field(field, &space).map_err(|wrong| format!("`{}`: {wrong}", shown(&name.full)))?;
            if !seen.insert(field.name.clone()) {
                return Err(format!("`{}` has the field `{}` twice", shown(&name.full), shown(&field.name)));
            }
            fields.push(field);
        }
        let connect = attributes.get("connect.name").and_then(Value::as_str);
        let kinds: Vec<&Node> = fields.iter().map(|field| &self.nodes[field.node]).collect();
        let scaled = connect.unwrap_or(&name.full) == "io.debezium.data.VariableScaleDecimal"
            && matches!(kinds[..], [Node::Int, Node::Bytes]);
        self.nodes[id] = Node::Record(Record { name, fields, scaled });
        Ok(id)
    }

    fn field(&mut self, field: &Value, space: &str) -> Parsed<Field> {
        let Some(name) = field.get("name").and_then(Value::as_str) else {
            return Err("a field lacks its `name`".to_owned());
        };
        let kind = field.get("type").ok_or_else(|| format!("the field `{}` lacks its `type`", shown(name)))?;
        let node = self.node(kind, space).map_err(|wrong| format!("field `{}`: {wrong}", shown(name)))?;
        let mut key = String::with_capacity(name.len() + 3);
        push_string(name, &mut key);
        key.push(':');
        let aliases = field.get("aliases").and_then(Value::as_array).map(|aliases| texts(aliases)).unwrap_or_default();
        let has_default = field.get("default").is_some();
        Ok(Field { name: name.to_owned(), key, aliases, node, has_default })
    }

    /// The place of a new type, which is filled in later.
    fn define(&mut self, name: Name) -> Parsed<NodeId> {
        let Name { full, aliases } = name.clone();
        // Until then it is a named type, as a union around a reference to it must know.
        let id = self.add(Node::Record(Record { name, fields: Vec::new(), scaled: false }));
        for alias in aliases {
            self.aliases.entry(alias).or_insert(id);
        }
        match self.names.insert(full.clone(), id) {
            None => Ok(id),
            Some(_) => Err(format!("there are two types `{}`", shown(&full))),
        }
    }
}

/// What two branches of a union may not share.
fn branch_key(node: &Node, id: NodeId) -> String {
    match node {
        Node::Null => "null".to_owned(),
        Node::Boolean => "boolean".to_owned(),
        Node::Int | Node::Date | Node::Time(crate::calendar::Unit::Millis) => "int".to_owned(),
        Node::Long | Node::Time(_) | Node::Timestamp { .. } => "long".to_owned(),
        Node::Float => "float".to_owned(),
        Node::Double => "double".to_owned(),
        Node::Bytes | Node::Decimal { fixed: None, .. } => "bytes".to_owned(),
        Node::String | Node::UuidText => "string".to_owned(),
        Node::Array(_) => "array".to_owned(),
        Node::Map(_) => "map".to_owned(),
        // Named types.
        _ => format!("type {id}"),
    }
}

fn primitive(name: &str) -> Option<Node> {
    Some(match name {
        "null" => Node::Null,
        "boolean" => Node::Boolean,
        "int" => Node::Int,
        "long" => Node::Long,
        "float" => Node::Float,
        "double" => Node::Double,
        "bytes" => Node::Bytes,
        "string" => Node::String,
        _ => return None,
    })
}

fn full_name(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() {
        name.trim_start_matches('.').to_owned()
    } else {
        format!("{space}.{name}")
    }
}

/// A named type's name with its aliases, and the namespace of what is inside.
fn name(attributes: &Map<String, Value>, space: &str) -> Parsed<(Name, String)> {
    let name = attributes.get("name").and_then(Value::as_str).filter(|name| !name.is_empty());
    let name = name.ok_or("a record, enum or fixed lacks its `name`")?;
    let own = attributes.get("namespace").and_then(Value::as_str);
    let full = full_name(name, own.unwrap_or(space));
    let space = full.rsplit_once('.').map_or("", |(space, _)| space).to_owned();
    let listed = attributes.get("aliases").and_then(Value::as_array);
    let aliases = listed.map(|aliases| texts(aliases)).unwrap_or_default();
    let aliases = aliases.iter().map(|alias| full_name(alias, &space)).collect();
    Ok((Name { full, aliases }, space))
}

fn texts(values: &[Value]) -> Vec<String> {
    values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

fn enumeration(name: Name, attributes: &Map<String, Value>) -> Parsed<Node> {
    let listed = attributes.get("symbols").and_then(Value::as_array);
    let listed = listed.ok_or_else(|| format!("`{}` lacks its `symbols`", shown(&name.full)))?;
    let symbols = texts(listed);
    if symbols.len() != listed.len() {
        return Err(format!("`{}` has symbols that are no text", shown(&name.full)));
    }
    let mut json = Vec::with_capacity(symbols.len());
    for symbol in &symbols {
        let mut text = String::with_capacity(symbol.len() + 2);
        push_string(symbol, &mut text);
        json.push(text);
    }
    let default = attributes.get("default").and_then(Value::as_str).map(str::to_owned);
    Ok(Node::Enum(Enum { name, symbols, texts: json, default }))
}
