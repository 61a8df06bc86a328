//! Whose what exists is: by its record, by what the stack remembers, or by nothing but tags, which anybody may write.

mod knowledge;

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use async_trait::async_trait;
use futures::StreamExt as _;
use tokio::sync::OnceCell;

use crate::kind::Context;
use crate::lease::{self, Document, Memory};
use crate::plan::Kinds;
use crate::record::{Judge, Key};
use crate::resource::{Address, Condition, Desired, Live, Unread, Whose};
use crate::sweep::{Swept, sweep};
use knowledge::Knowledge;

/// How many things are asked for by their identifiers at a time.
const AT_ONCE: usize = 10;

/// What exists of a stack, and whose each is.
#[derive(Debug)]
pub struct Known {
    /// What exists, each with whose it is.
    pub live: Vec<Live>,
    /// The document beside the lease; none where there is none, or it can't be read.
    pub document: Option<Document>,
    /// What the stack remembers, as far as it is trusted.
    pub memory: Memory,
    /// Why the document isn't trusted, or is missing although the stack was applied.
    pub doubt: Option<String>,
    /// What was said of the document when it couldn't be read.
    pub untold: Option<String>,
    /// What exists, or may, and couldn't be read.
    pub unread: Vec<Unread>,
    /// Whether the caller may not read the key, so that no record was verified.
    pub denied: bool,
}

/// Reads everything of the stack that exists, and judges whose it is. An error says that the stack's key can't be used.
pub async fn read(kinds: Kinds<'_>, context: &Context, desired: &Desired) -> Result<Known> {
    let inquiry = Arc::new(Inquiry { context: context.clone(), answer: OnceCell::new() });
    let records = context.records.clone().judged_by(inquiry.clone());
    let judged = Context { records, ..context.clone() };
    let (live, knowledge) = tokio::join!(sweep(kinds, &judged, desired), inquiry.knowledge());
    let (knowledge, Swept { live, unread }) = (knowledge?, live?);
    let mut known = knowledge.judge(kinds, desired, live.clone());
    if known.doubt.is_some() || known.live.iter().any(|live| live.whose.claim().is_some()) {
        // Another apply of the stack may have made them since the document was read.
        known = Knowledge::of(context).await?.judge(kinds, desired, live);
    }
    known.unread = unread;
    let untagged = untagged(kinds, context, &known).await;
    known.live.extend(untagged);
    known.live.sort_by(|a, b| a.address.cmp(&b.address).then_with(|| a.id.cmp(&b.id)));
    Ok(known)
}

/// What the stack remembers and no sweep finds, because somebody took its tags away: a request or more for each thing that
/// is gone. What can't be read by its identifier is taken for gone.
async fn untagged(kinds: Kinds<'_>, context: &Context, known: &Known) -> Vec<Live> {
    let there: HashSet<&str> = known.live.iter().map(|live| live.id.as_str()).collect();
    let is_unread = |address: &Address| known.unread.iter().any(|one| one.means(address));
    let missing =
        known.memory.lived.iter().filter(|(address, lived)| !there.contains(lived.id.as_str()) && !is_unread(address));
    let reads = missing.map(async |(address, lived)| {
        let kind = kinds.get(&address.kind).filter(|kind| !kind.is_tagless())?;
        let live = kind.read(context, address, &lived.id).await.ok().flatten()?;
        let is_it = live.id == lived.id && live.condition == Condition::Ready;
        is_it.then(|| Live { whose: Whose::Unproven("its tags were taken away".to_owned()), applied: None, ..live })
    });
    futures::stream::iter(reads).buffer_unordered(AT_ONCE).filter_map(async |live| live).collect().await
}

/// The same by a document and a key that the caller has: what would be known if they were put back. Without a key nothing
/// is verified.
pub async fn suppose(
    kinds: Kinds<'_>,
    context: &Context,
    desired: &Desired,
    (document, key): (Option<Document>, Option<Key>),
) -> Result<Known> {
    let knowledge = Knowledge::supposed(lease::signer(context).scope().clone(), document, key);
    let Swept { live, unread } = sweep(kinds, context, desired).await?;
    Ok(Known { unread, ..knowledge.judge(kinds, desired, live) })
}

/// What the stack remembers by now, as far as it is trusted.
pub async fn memory(context: &Context) -> Result<Memory> {
    Ok(Knowledge::of(context).await?.trusted())
}

/// Asks once for what is known, however many want to know it.
struct Inquiry {
    context: Context,
    answer: OnceCell<Arc<Knowledge>>,
}

impl fmt::Debug for Inquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Inquiry({})", self.context.stack)
    }
}

impl Inquiry {
    async fn knowledge(&self) -> Result<Arc<Knowledge>> {
        self.answer.get_or_try_init(|| async { Knowledge::of(&self.context).await.map(Arc::new) }).await.cloned()
    }
}

#[async_trait]
impl Judge for Inquiry {
    async fn is_own(&self, address: &Address, id: &str, applied: Option<&str>) -> bool {
        // An error is said where the whole of it is read.
        let Ok(knowledge) = self.knowledge().await else { return false };
        knowledge.is_own(address, id, applied)
    }
}
