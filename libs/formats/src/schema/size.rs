//! How few bytes a value can take: what bounds the number of items that a message of some size can hold.

use super::{Node, NodeId};

/// The fewest bytes of each node's values; for a record that holds itself without end, fewer.
pub(crate) fn smallest(nodes: &[Node]) -> Vec<usize> {
    let mut sizes = vec![None; nodes.len()];
    for node in 0..nodes.len() {
        of(nodes, node, &mut sizes);
    }
    sizes.into_iter().map(|size| size.unwrap_or(0)).collect()
}

fn of(nodes: &[Node], node: NodeId, sizes: &mut [Option<usize>]) -> usize {
    if let Some(size) = sizes[node] {
        return size;
    }
    // What refers to itself is begun at zero.
    sizes[node] = Some(0);
    let size = match &nodes[node] {
        Node::Null => 0,
        Node::Float => 4,
        Node::Double => 8,
        Node::Fixed(fixed) | Node::Uuid(fixed) | Node::Duration(fixed) => fixed.size,
        Node::Decimal { fixed: Some(fixed), .. } => fixed.size,
        Node::Union(branches) => {
            let least = branches.iter().map(|branch| of(nodes, *branch, sizes)).min();
            least.unwrap_or(0).saturating_add(1)
        }
        Node::Record(record) => {
            record.fields.iter().fold(0_usize, |sum, field| sum.saturating_add(of(nodes, field.node, sizes)))
        }
        _ => 1,
    };
    sizes[node] = Some(size);
    size
}
