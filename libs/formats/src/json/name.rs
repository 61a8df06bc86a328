//! Names of members, as messages mostly have them.

/// A member's name and its colon as they mostly are written, `"name":`, to be compared without a call.
#[derive(Debug, Clone)]
pub struct Name {
    pub(super) written: Vec<u8>,
    /// The first 16 bytes as a little-endian number, and which of them count.
    head: u128,
    mask: u128,
}

impl Name {
    /// That of a member.
    pub fn new(name: &str) -> Self {
        let written = format!("{}:", serde_json::Value::from(name)).into_bytes();
        let (mut head, mut mask) = ([0; 16], [0; 16]);
        for (at, byte) in written.iter().take(head.len()).enumerate() {
            (head[at], mask[at]) = (*byte, u8::MAX);
        }
        Self { written, head: u128::from_le_bytes(head), mask: u128::from_le_bytes(mask) }
    }

    /// Whether a text begins with it.
    #[inline]
    pub(super) fn begins(&self, text: &[u8]) -> bool {
        let Some((head, rest)) = text.split_first_chunk() else { return text.starts_with(&self.written) };
        u128::from_le_bytes(*head) & self.mask == self.head
            && self.written.get(head.len()..).is_none_or(|more| rest.starts_with(more))
    }
}
