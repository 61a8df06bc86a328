//! Where the search cluster is, and how the shipper logs in to it: by what a secret and an object of S3 hold, read at the
//! start and again when the cluster takes it no longer.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use http::{HeaderValue, StatusCode};
use lakewright_aws::Aws;
use lakewright_config::{SearchConnection, SearchLogin, s3};
use lakewright_platform::http::{Client, basic, check_encrypted, is_of_tls, without_password};
use lakewright_platform::loopback::is_local_url;
use lakewright_runtime::credentials::{CURRENT, Credentials, PERSISTS, instead_of, read};
use parking_lot::Mutex;

/// The variable that names a cluster in place of the configuration's, to which the shipper doesn't log in by its secret.
const OTHER: &str = "LAKEWRIGHT_SEARCH_URL";
/// The variable that names an index on loopback in its place, to which it does, without TLS.
const LOGIN_IN_CLEAR: &str = "LAKEWRIGHT_SEARCH_LOGIN_PLAINTEXT";
/// How long connections are used: whoever takes the cluster's name later is found by it then.
const AGE: Duration = Duration::from_mins(5);
/// How long after a look at secret and authority there isn't another one.
const PAUSE: Duration = Duration::from_millis(if cfg!(test) { 10 } else { 2000 });

/// What keeps a stack waiting that got its logins by an apply, and the way out.
const FORMER: &str = "a host that was started before the stack had logins never does: end it once, and its successor does \
                      (docs/upgrading.md)";

/// The URL of the search cluster, and the login where it takes one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    url: String,
    login: Option<SearchLogin>,
    /// Whether the login goes in clear, which it does on loopback alone.
    in_clear: bool,
}

/// The search cluster that the environment names, or else the configuration.
///
/// # Errors
/// There is none; the environment names one beyond this machine for a login in clear; a login over `http`.
pub fn target(search: &SearchConnection) -> Result<Target> {
    let named = |variable| std::env::var(variable).ok().filter(|url: &String| !url.is_empty());
    chosen(named(LOGIN_IN_CLEAR), named(OTHER), search)
}

fn chosen(in_clear: Option<String>, other: Option<String>, search: &SearchConnection) -> Result<Target> {
    if let (Some(url), Some(login)) = (in_clear, &search.login) {
        ensure!(
            is_local_url(&url) && without_password(&url).1.is_none(),
            "{LOGIN_IN_CLEAR} must be the URL of an index on this machine, without user and password: passwords go in clear \
             to loopback addresses only"
        );
        return Ok(Target { url, login: Some(login.clone()), in_clear: true });
    }
    if let Some(url) = other {
        return Ok(Target { url, login: None, in_clear: false });
    }
    ensure!(!search.url.is_empty(), "`search.url` is empty, and {OTHER} is not set");
    let login = search.login.clone();
    if let Some(login) = &login {
        ensure!(
            search.url.starts_with("https://"),
            "`search.url` must begin with https:// where `search.login` is given"
        );
        ensure!(s3::object(&login.authority).is_some(), "`search.login.authority` must be an object, s3://bucket/key");
    }
    Ok(Target { url: search.url.clone(), login, in_clear: false })
}

impl Target {
    /// A cluster that one logs in to by its URL, or not at all.
    #[cfg(test)]
    pub fn plain(url: &str) -> Self {
        Self { url: url.to_owned(), login: None, in_clear: false }
    }

    /// A cluster that one logs in to by a secret.
    #[cfg(test)]
    pub fn secured(url: &str, login: SearchLogin) -> Self {
        Self { url: url.to_owned(), login: Some(login), in_clear: false }
    }

    /// Scheme, host and port, with a slash at the end. User and password aren't in it.
    pub fn address(&self) -> Result<String> {
        // The URL may hold a password: it isn't shown.
        if !["http://", "https://"].iter().any(|scheme| self.url.starts_with(scheme)) {
            bail!("the search URL must begin with http:// or https://");
        }
        let (url, _) = without_password(&self.url);
        Ok(format!("{}/", url.trim_end_matches('/')))
    }
}

/// What a request goes by: a client that trusts the cluster, and the header of the login.
#[derive(Debug, Clone)]
pub struct Door {
    /// The client.
    pub client: Client,
    /// The header, if somebody logs in.
    pub authorization: Option<HeaderValue>,
    made: Instant,
}

/// The way to the cluster, which may change while the shipper runs.
#[derive(Debug)]
pub struct Entrance {
    /// None until what the login takes could be read.
    door: Mutex<Option<Arc<Door>>>,
    url: String,
    login: Option<Login>,
}

/// What the login is read from.
#[derive(Debug)]
struct Login {
    aws: Aws,
    place: SearchLogin,
    in_clear: bool,
    url: String,
    known: Mutex<Option<Known>>,
}

/// What was read last.
#[derive(Debug, Clone)]
struct Known {
    credentials: Credentials,
    authority: Vec<u8>,
    looked: Instant,
    /// When the cluster refused this password last.
    refused: Option<Instant>,
}

impl Entrance {
    /// The way to a cluster. What a login takes is read for the first request.
    ///
    /// # Errors
    /// A password in the URL would go in clear to another machine.
    pub fn of(target: &Target, aws: &Aws) -> Result<Self> {
        let address = target.address()?;
        if let Some(place) = target.login.clone() {
            let (aws, url, in_clear) = (aws.clone(), target.url.clone(), target.in_clear);
            let login = Login { aws, place, in_clear, url, known: Mutex::default() };
            return Ok(Self { door: Mutex::default(), url: target.url.clone(), login: Some(login) });
        }
        let authorization = without_password(&target.url).1;
        if authorization.is_some() {
            check_encrypted(&address)?;
        }
        let door = Door { client: Client::new(&target.url)?, authorization, made: Instant::now() };
        Ok(Self { door: Mutex::new(Some(Arc::new(door))), url: target.url.clone(), login: None })
    }

    /// What the next request goes by.
    ///
    /// # Errors
    /// Secret or authority can't be read: the search host may not have published it yet.
    pub async fn door(&self) -> Result<Arc<Door>> {
        let known = self.door.lock().clone();
        if let Some(door) = &known
            && door.made.elapsed() < AGE
        {
            return Ok(Arc::clone(door));
        }
        let Some(login) = &self.login else {
            let authorization = known.and_then(|door| door.authorization.clone());
            let door = Arc::new(Door { client: Client::new(&self.url)?, authorization, made: Instant::now() });
            *self.door.lock() = Some(Arc::clone(&door));
            return Ok(door);
        };
        let read = login.known.lock().clone();
        let known = match read {
            // What was read is right until the cluster refuses it; the connections alone are made anew.
            Some(known) => known,
            None => login.read().await?,
        };
        let door = Arc::new(login.door(&known)?);
        *login.known.lock() = Some(known);
        *self.door.lock() = Some(Arc::clone(&door));
        Ok(door)
    }

    /// Has the next request go by a new connection: the cluster's name may lead elsewhere now.
    pub fn renew(&self) {
        let mut door = self.door.lock();
        let Some(known) = door.as_ref() else { return };
        if self.login.is_some() {
            *door = None;
        } else if let Ok(client) = Client::new(&self.url) {
            let authorization = known.authorization.clone();
            *door = Some(Arc::new(Door { client, authorization, made: Instant::now() }));
        }
    }

    /// Reads secret and authority once more if the cluster refused the password, or its certificate was refused: somebody may have
    /// rotated the one, or another host has taken the place of the one that made the other. The sentence says what to do
    /// about a refusal.
    pub async fn refused(&self, denial: &Denial) -> String {
        let Some(login) = &self.login else { return denial.without_login() };
        match login.look_again(denial).await {
            Ok(Some(door)) => {
                *self.door.lock() = Some(Arc::new(door));
                format!("{}; what it takes was read anew", denial.said(&login.place))
            }
            Ok(None) => denial.said(&login.place),
            Err(error) => format!("{}; reading it anew failed: {error:#}", denial.said(&login.place)),
        }
    }
}

/// Why the cluster's door stays shut.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// The cluster knows no such user, or another password: 401.
    Login,
    /// The user may not do it: 403.
    Right(String),
    /// The connection isn't trusted.
    Tls(String),
}

impl Denial {
    /// What an answer's status says of the login, if it says anything.
    pub fn of_status(status: StatusCode, body: &str) -> Option<Self> {
        match status {
            StatusCode::UNAUTHORIZED => Some(Self::Login),
            StatusCode::FORBIDDEN => Some(Self::Right(body.to_owned())),
            _ => None,
        }
    }

    /// What a request without an answer says of it.
    pub fn of_error(error: &anyhow::Error) -> Option<Self> {
        is_of_tls(error).then(|| Self::Tls(format!("{error:#}")))
    }

    fn said(&self, place: &SearchLogin) -> String {
        match self {
            Self::Login => format!(
                "it refuses the login (401): it doesn't know the password in the secret {}; the search host takes a new one up \
                 within minutes, its unit lakewright-search says why it doesn't",
                place.secret
            ),
            Self::Right(body) => format!(
                "it doesn't let the user of the secret {} do this (403): the role `shipper` on the search host must have the \
                 rights create_doc and auto_configure on the index: {body}",
                place.secret
            ),
            Self::Tls(error) => format!(
                "its certificate isn't signed by an authority in {}, or isn't for this host, or it speaks no TLS; {FORMER}: \
                 {error}",
                place.authority
            ),
        }
    }

    fn without_login(&self) -> String {
        match self {
            Self::Login => {
                format!("it asks for a login (401), and none is configured; give user and password in {OTHER}")
            }
            Self::Right(body) => format!("it doesn't let this user do this (403): {body}"),
            Self::Tls(error) => error.clone(),
        }
    }
}

impl Login {
    fn door(&self, known: &Known) -> Result<Door> {
        let Credentials { username, password } = &known.credentials;
        let client = if self.in_clear {
            Client::new(&self.url)?
        } else {
            Client::trusting(&known.authority).with_context(|| format!("read {}", self.place.authority))?
        };
        Ok(Door { client, authorization: Some(basic(&format!("{username}:{password}"))), made: Instant::now() })
    }

    async fn read(&self) -> Result<Known> {
        let secret = &self.place.secret;
        let credentials = read(&self.aws, secret, CURRENT).await?;
        let credentials = credentials.with_context(|| format!("the secret {secret} holds nothing"))?;
        let authority = if self.in_clear { Vec::new() } else { authority(&self.aws, &self.place.authority).await? };
        Ok(Known { credentials, authority, looked: Instant::now(), refused: None })
    }

    /// What to go by in place of what was refused, if anything else is to be had. The version before the secret's current
    /// one is tried where a refusal persists, and the current one again when that is refused.
    async fn look_again(&self, denial: &Denial) -> Result<Option<Door>> {
        let known = self.known.lock().clone();
        let Some(mut known) = known.filter(|known| known.looked.elapsed() >= PAUSE) else { return Ok(None) };
        known.looked = Instant::now();
        // What fails from here on isn't tried again at once either.
        *self.known.lock() = Some(known.clone());
        let found = match denial {
            Denial::Login => self.other_password(&mut known).await?,
            Denial::Tls(_) if !self.in_clear => {
                let found = authority(&self.aws, &self.place.authority).await?;
                let is_other = found != known.authority;
                known.authority = found;
                is_other
            }
            // The secret may have been given to another user.
            Denial::Right(_) => self.another(&mut known, false).await?,
            Denial::Tls(_) => false,
        };
        // Judged before it is kept: an authority that can't be read takes nothing away.
        let door = if found { Some(self.door(&known)?) } else { None };
        *self.known.lock() = Some(known);
        Ok(door)
    }

    /// Whether there is another password than the one that was refused.
    async fn other_password(&self, known: &mut Known) -> Result<bool> {
        let persists = known.refused.is_some_and(|first| first.elapsed() < PERSISTS);
        let found = self.another(known, persists).await?;
        known.refused = (!found).then(Instant::now);
        Ok(found)
    }

    /// Whether the secret holds something else, in its version before too if the refusal persists; it is known then.
    async fn another(&self, known: &mut Known, persists: bool) -> Result<bool> {
        let found = instead_of(&self.aws, &self.place.secret, &known.credentials, persists).await?;
        let is_other = found.is_some();
        known.credentials = found.map_or_else(|| known.credentials.clone(), |(found, _)| found);
        Ok(is_other)
    }
}

/// The certificates that the search host has published.
async fn authority(aws: &Aws, place: &str) -> Result<Vec<u8>> {
    let (bucket, key) = s3::object(place).with_context(|| format!("`{place}` is no object in S3"))?;
    let object = aws.objects().get(bucket, key, None).await;
    let object = object.with_context(|| {
        format!(
            "read the search host's certificates from {place}; the host writes them when it first starts; {FORMER}; S3 says \
             AccessDenied of what isn't there"
        )
    })?;
    Ok(object.body.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> SearchConnection {
        SearchConnection {
            url: "https://search.shop.internal:9200".to_owned(),
            login: Some(SearchLogin {
                secret: "lakewright/shop/search-shipper".to_owned(),
                authority: "s3://shop-artifacts/search/authority.pem".to_owned(),
            }),
        }
    }

    #[test]
    fn the_environment_wins_over_the_configuration() {
        let search = connection();
        let here = || Some("http://127.0.0.1:1".to_owned());
        let configured = chosen(None, None, &search).expect("it is configured");
        assert_eq!(configured, Target { url: search.url.clone(), login: search.login.clone(), in_clear: false });
        assert_eq!(
            chosen(None, here(), &search).expect("a cluster of somebody's own"),
            Target { url: "http://127.0.0.1:1".to_owned(), login: None, in_clear: false }
        );
        let local = chosen(here(), Some("http://127.0.0.1:2".to_owned()), &search).expect("the index on this machine");
        assert_eq!(local, Target { url: "http://127.0.0.1:1".to_owned(), login: search.login.clone(), in_clear: true });
        // Who doesn't log in has no use for it.
        let open = SearchConnection::open("http://search.shop.internal:9200");
        assert_eq!(chosen(here(), None, &open).expect("it is configured").url, open.url);
    }

    #[test]
    fn no_login_goes_in_clear_to_another_machine() {
        let search = connection();
        for far in ["http://10.0.0.7:9200", "http://127.0.0.1.far.invalid:1", "http://user:word@127.0.0.1:1"] {
            let error = chosen(Some(far.to_owned()), None, &search).expect_err(far).to_string();
            assert!(error.contains("loopback") && !error.contains("word@"), "{error}");
        }
        let plain = SearchConnection { url: "http://search.shop.internal:9200".to_owned(), ..search.clone() };
        assert!(chosen(None, None, &plain).expect_err("in clear").to_string().contains("https://"));
        let nowhere = SearchLogin { authority: "s3://bucket".to_owned(), ..search.login.clone().expect("a login") };
        let nowhere = SearchConnection { login: Some(nowhere), ..search };
        assert!(chosen(None, None, &nowhere).expect_err("no object").to_string().contains("s3://bucket/key"));
    }

    #[test]
    fn an_address_shows_no_password() {
        let target = |url: &str| chosen(None, Some(url.to_owned()), &connection()).expect("a target").address();
        assert_eq!(target("https://user:secret@search:9200/").expect("sound"), "https://search:9200/");
        for url in ["user:secret@host:9200", "ftp://user:secret@host"] {
            let error = target(url).expect_err(url).to_string();
            assert!(error.contains("http://") && !error.contains("secret"), "{error}");
        }
    }
}
