//! What the members of a record are as columns: types in the words of stack files.

use std::collections::{BTreeSet, HashMap};

use crate::compat::{kind, meaning};
use crate::reject::shown;
use crate::schema::{Field, Node, NodeId, Record, Schema};

/// Types within each other deeper than this are no column's.
const DEEPEST: usize = 16;
/// So many types within one member are looked at: a schema that names its types again and again means more than it says.
const MOST_TYPES: usize = 10_000;
/// The most digits of a column's decimal.
const MOST_DIGITS: u32 = 38;

/// A member of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Whether it may be null.
    pub optional: bool,
    /// Whether readers may fill it in where it isn't there.
    pub has_default: bool,
    /// The type of a column that holds just its values, `decimal(12,2)`; `None` when there is none, as of a union of several types.
    pub column_type: Option<String>,
    /// Whether no column of any type takes its values: a duration, a decimal of more places than columns have.
    pub unreadable: bool,
    /// Whether several records stand there, in which it has different types.
    pub differs: bool,
    /// What it is in Avro's words, for people.
    pub written: String,
}

/// Why a schema has no members at a path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoMembers {
    /// No message has an object there: what is there instead.
    #[error("{0}")]
    Never(String),
    /// Messages may have one, of which the schema says no members.
    #[error("{0}")]
    Unsaid(String),
}

impl Member {
    /// It is the same member in another record.
    fn join(&mut self, other: Self) {
        self.optional |= other.optional;
        self.has_default &= other.has_default;
        self.unreadable &= other.unreadable;
        if self.column_type != other.column_type {
            (self.differs, self.column_type) = (true, None);
        }
        if !self.written.split(" or ").any(|written| written == other.written) {
            self.written = format!("{} or {}", self.written, other.written);
        }
    }
}

impl Schema {
    /// The members of the record that stands at a path, the outermost member first; of the schema itself when it is empty. Of a
    /// union of records, those of all of them, for a message has the members of one.
    ///
    /// # Errors
    /// No record stands there: what does.
    pub fn members(&self, path: &[String]) -> Result<Vec<Member>, NoMembers> {
        let mut records = self.records(self.root, "it")?;
        // Whether a message may have none of them.
        let mut partial = false;
        for (depth, step) in path.iter().enumerate() {
            let here = path[..=depth].join(".");
            let mut found: Vec<&Record> = Vec::new();
            let mut lacks = records.len();
            for field in records.iter().filter_map(|record| record.fields.iter().find(|field| field.name == *step)) {
                for record in self.records(field.node, &format!("its field `{here}`"))? {
                    if !found.iter().any(|known| std::ptr::eq(*known, record)) {
                        found.push(record);
                    }
                }
                lacks -= 1;
            }
            if found.is_empty() {
                return Err(NoMembers::Never(format!("it has no field `{here}`")));
            }
            partial |= lacks > 0;
            records = found;
        }
        let mut members: Vec<(Member, usize)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for field in records.iter().flat_map(|record| &record.fields) {
            let found = self.member(field);
            match places.get(field.name.as_str()) {
                Some(place) => {
                    let (known, count) = &mut members[*place];
                    known.join(found);
                    *count += 1;
                }
                None => {
                    places.insert(&field.name, members.len());
                    members.push((found, 1));
                }
            }
        }
        let whole = |(member, count): (Member, usize)| {
            let optional = member.optional || partial || count < records.len();
            Member { optional, ..member }
        };
        Ok(members.into_iter().map(whole).collect())
    }

    fn member(&self, field: &Field) -> Member {
        let (plain, optional) = self.plain(field.node);
        let mut left = MOST_TYPES;
        Member {
            name: field.name.clone(),
            optional,
            has_default: field.has_default,
            column_type: self.column_type(field.node, 0, &mut left),
            differs: false,
            unreadable: match &self.nodes[plain] {
                Node::Duration(_) => true,
                Node::Decimal { scale, .. } => *scale > MOST_DIGITS,
                _ => false,
            },
            written: self.words(field.node),
        }
    }

    /// The records that a node may be; `name` is what it is called.
    fn records(&self, node: NodeId, name: &str) -> Result<Vec<&Record>, NoMembers> {
        let record = |node: NodeId| match &self.nodes[node] {
            Node::Record(record) if !record.scaled => Some(record),
            _ => None,
        };
        let (plain, _) = self.plain(node);
        let said = format!("{name} is {} and no record", self.words(node));
        match &self.nodes[plain] {
            Node::Map(_) => Err(NoMembers::Unsaid(said)),
            Node::Union(branches) => {
                let others = || branches.iter().filter(|branch| !matches!(self.nodes[**branch], Node::Null));
                let all: Option<Vec<&Record>> = others().map(|branch| record(*branch)).collect();
                let is_object =
                    |branch: &NodeId| record(*branch).is_some() || matches!(self.nodes[*branch], Node::Map(_));
                match all {
                    Some(all) if !all.is_empty() => Ok(all),
                    _ if others().any(is_object) => Err(NoMembers::Unsaid(said)),
                    _ => Err(NoMembers::Never(said)),
                }
            }
            _ => record(plain).map(|record| vec![record]).ok_or(NoMembers::Never(said)),
        }
    }

    /// What a union of null and one other type is besides null, and whether it may be null.
    fn plain(&self, node: NodeId) -> (NodeId, bool) {
        let Node::Union(branches) = &self.nodes[node] else { return (node, false) };
        let is_null = |branch: &&NodeId| matches!(self.nodes[**branch], Node::Null);
        let others: Vec<NodeId> = branches.iter().filter(|branch| !is_null(branch)).copied().collect();
        let optional = branches.iter().any(|branch| is_null(&branch));
        match others[..] {
            [one] => (one, optional),
            _ => (node, optional),
        }
    }

    fn words(&self, node: NodeId) -> String {
        let plain = &self.nodes[self.plain(node).0];
        match (plain, meaning(plain)) {
            (Node::Union(branches), _) => {
                let branches: Vec<&str> = branches.iter().map(|branch| kind(&self.nodes[*branch])).collect();
                format!("a union of {}", branches.join(", "))
            }
            (Node::Record(record), _) => format!("the record `{}`", shown(&record.name.full)),
            (_, Some(meaning)) => format!("{} ({meaning})", kind(plain)),
            (_, None) => kind(plain).to_owned(),
        }
    }

    fn column_type(&self, node: NodeId, depth: usize, left: &mut usize) -> Option<String> {
        *left = left.checked_sub(1)?;
        if depth == DEEPEST {
            return None;
        }
        let mut inner = |node| self.column_type(node, depth + 1, left);
        Some(match &self.nodes[self.plain(node).0] {
            Node::Boolean => "boolean".to_owned(),
            Node::Int => "int".to_owned(),
            Node::Long => "long".to_owned(),
            Node::Float => "float".to_owned(),
            Node::Double => "double".to_owned(),
            Node::Bytes => "binary".to_owned(),
            Node::Fixed(fixed) => format!("fixed({})", fixed.size),
            Node::String | Node::Enum(_) => "string".to_owned(),
            Node::UuidText | Node::Uuid(_) => "uuid".to_owned(),
            Node::Date => "date".to_owned(),
            Node::Time(_) => "time".to_owned(),
            Node::Timestamp { zoned: true, .. } => "timestamptz".to_owned(),
            Node::Timestamp { zoned: false, .. } => "timestamp".to_owned(),
            Node::Decimal { precision, scale, .. } if *precision <= MOST_DIGITS => {
                format!("decimal({precision},{scale})")
            }
            Node::Array(items) => format!("list<{}>", inner(*items)?),
            Node::Map(values) => format!("map<string, {}>", inner(*values)?),
            Node::Record(record) if !record.scaled && !record.fields.is_empty() => {
                let mut names = BTreeSet::new();
                let mut fields = Vec::with_capacity(record.fields.len());
                for field in &record.fields {
                    let is_plain = field.name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
                    if !is_plain || !names.insert(field.name.to_ascii_lowercase()) {
                        return None;
                    }
                    fields.push(format!("{}: {}", field.name, inner(field.node)?));
                }
                format!("struct<{}>", fields.join(", "))
            }
            Node::Null | Node::Decimal { .. } | Node::Duration(_) | Node::Union(_) | Node::Record(_) => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORDER: &str = r#"{"type":"record","name":"shop.Order","fields":[
        {"name":"id","type":{"type":"string","logicalType":"uuid"}},
        {"name":"amount","type":["null",{"type":"bytes","logicalType":"decimal","precision":12,"scale":2}]},
        {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"either","type":["null","int","string"]},
        {"name":"tags","type":{"type":"array","items":"string"}},
        {"name":"place","type":["null",{"type":"record","name":"Place","fields":[
            {"name":"zip","type":"int"},{"name":"near","type":{"type":"map","values":"double"}}]}]},
        {"name":"self","type":["null","shop.Order"]}]}"#;

    fn members(path: &[&str]) -> Result<Vec<String>, NoMembers> {
        members_of(ORDER, path)
    }

    fn members_of(schema: &str, path: &[&str]) -> Result<Vec<String>, NoMembers> {
        let schema = Schema::parse(schema, &[]).expect("a schema");
        let path: Vec<String> = path.iter().map(|step| (*step).to_owned()).collect();
        let shown = |member: Member| {
            let optional = if member.optional { "?" } else { "" };
            format!("{}{optional} {} = {}", member.name, member.column_type.as_deref().unwrap_or("-"), member.written)
        };
        Ok(schema.members(&path)?.into_iter().map(shown).collect())
    }

    #[test]
    fn members_are_columns_of_just_their_values() {
        assert_eq!(
            members(&[]).expect("members"),
            [
                "id uuid = string",
                "amount? decimal(12,2) = bytes (a decimal of 2 places)",
                "at timestamptz = long (a timestamp in milliseconds)",
                "either? - = a union of null, int, string",
                "tags list<string> = array",
                "place? struct<zip: int, near: map<string, double>> = the record `shop.Place`",
                "self? - = the record `shop.Order`",
            ]
        );
        assert_eq!(members(&["self", "place"]).expect("members"), ["zip int = int", "near map<string, double> = map"]);
    }

    #[test]
    fn what_stands_at_a_path_is_said() {
        assert_eq!(members(&["order"]).expect_err("none").to_string(), "it has no field `order`");
        let said = members(&["place", "zip"]).expect_err("none");
        assert_eq!(said, NoMembers::Never("its field `place.zip` is int and no record".to_owned()));
        let said = members(&["place", "near"]).expect_err("none");
        assert_eq!(said, NoMembers::Unsaid("its field `place.near` is map and no record".to_owned()));
    }

    #[test]
    fn a_union_of_records_has_the_members_of_all() {
        let union = r#"["null",
            {"type":"record","name":"Made","fields":[{"name":"id","type":"long"},{"name":"by","type":"string"},{"name":"n","type":"int"}]},
            {"type":"record","name":"Gone","fields":[{"name":"id","type":"long"},{"name":"n","type":"string"}]}]"#;
        let expected = ["id long = long", "by? string = string", "n - = int or string"];
        assert_eq!(members_of(union, &[]).expect("members"), expected);
        let event = format!(r#"{{"type":"record","name":"Event","fields":[{{"name":"what","type":{union}}}]}}"#);
        assert_eq!(members_of(&event, &["what"]).expect("members"), expected);
        let mixed = r#"["int",{"type":"record","name":"R","fields":[]}]"#;
        assert!(matches!(members_of(mixed, &[]), Err(NoMembers::Unsaid(_))));
        assert!(matches!(members_of(r#"["int","string"]"#, &[]), Err(NoMembers::Never(_))));
    }
}
