//! What browsers and actions are called, in six languages.

use super::stem::Language;

/// A browser.
#[derive(Debug)]
pub struct Browser {
    /// Its name.
    pub name: &'static str,
    /// The word by which its header names it.
    pub word: &'static str,
    /// Words of the headers of others that name themselves after it too.
    pub others: &'static [&'static str],
    /// What people call it.
    pub called: &'static [&'static str],
}

/// Those that name themselves Chrome to be taken for it.
const AS_CHROME: &[&str] = &["edg", "edga", "samsungbrowser", "opr", "vivaldi", "yabrowser"];

/// The browsers.
pub static BROWSERS: &[Browser] = &[
    Browser {
        name: "Chrome",
        word: "chrome",
        others: AS_CHROME,
        called: &["Chrome", "Google Chrome", "Chromium", "クローム", "크롬"],
    },
    Browser {
        name: "Safari",
        word: "safari",
        others: &["chrome", "headlesschrome", "chromium", "crios", "fxios", "edgios", "edg", "android"],
        called: &["Safari", "Apple Safari", "サファリ", "사파리"],
    },
    Browser {
        name: "Firefox",
        word: "firefox",
        others: &["seamonkey"],
        called: &["Firefox", "Mozilla Firefox", "ファイアフォックス", "파이어폭스"],
    },
    Browser {
        name: "Edge",
        word: "edg",
        others: &[],
        called: &["Edge", "Microsoft Edge", "MS Edge", "エッジ", "엣지"],
    },
    Browser {
        name: "Samsung Internet",
        word: "samsungbrowser",
        others: &[],
        called: &["Samsung Internet", "Samsung Browser", "SamsungBrowser", "サムスン"],
    },
    Browser { name: "Opera", word: "opr", others: &[], called: &["Opera", "オペラ"] },
    Browser {
        name: "Headless Chrome",
        word: "headlesschrome",
        others: &[],
        called: &["Headless Chrome", "HeadlessChrome"],
    },
];

/// What a customer does.
#[derive(Debug)]
pub struct Action {
    /// Values of `event_type` that stand for it: the first that the index holds, or else the first.
    pub values: &'static [&'static str],
    /// Everyday words for it; other forms of them follow from their stems.
    pub called: &'static [(Option<Language>, &'static [&'static str])],
}

const EN: Option<Language> = Some(Language::English);
const DE: Option<Language> = Some(Language::German);
const FR: Option<Language> = Some(Language::French);
const ES: Option<Language> = Some(Language::Spanish);
const SV: Option<Language> = Some(Language::Swedish);

/// The actions.
pub static ACTIONS: &[Action] = &[
    Action {
        values: &["login", "log_in", "signin", "sign_in"],
        called: &[
            (EN, &["login", "log in", "logged in", "log-in", "logon", "sign in", "signed in", "sign-in", "signin"]),
            (DE, &["anmeldung", "angemeldet", "eingeloggt", "einloggen", "anmelden"]),
            (FR, &["connexion", "connecté", "connectés", "connectée", "se connecter"]),
            (
                ES,
                &[
                    "inicio de sesión",
                    "inicios de sesión",
                    "sesiones iniciadas",
                    "sesión iniciada",
                    "inició sesión",
                    "iniciaron sesión",
                    "conectado",
                ],
            ),
            (SV, &["inloggning", "inloggad", "inloggade", "loggat in", "loggade in", "logga in"]),
            (None, &["ログイン", "サインイン"]),
        ],
    },
    Action {
        values: &["logout", "log_out", "signout", "sign_out"],
        called: &[
            (EN, &["logout", "log out", "logged out", "log-out", "logoff", "sign out", "signed out", "sign-out"]),
            (DE, &["abmeldung", "abgemeldet", "ausgeloggt", "abmelden"]),
            (FR, &["déconnexion", "déconnecté", "déconnectés"]),
            (ES, &["cierre de sesión", "cierres de sesión", "cerró sesión", "sesión cerrada", "desconectado"]),
            (SV, &["utloggning", "utloggad", "utloggade", "loggat ut", "loggade ut", "logga ut"]),
            (None, &["ログアウト", "サインアウト"]),
        ],
    },
    Action {
        values: &["search", "searched"],
        called: &[
            (EN, &["search", "searched", "searched for", "search for", "looked for", "looking for", "look for"]),
            (DE, &["suche", "suchen", "gesucht", "suchte", "suchanfrage", "suche nach"]),
            (FR, &["recherche", "recherché", "cherché", "chercher", "rechercher"]),
            (ES, &["búsqueda", "búsquedas", "buscado", "buscó", "buscar", "buscaron"]),
            (SV, &["sökning", "sökt", "sökte", "söka", "letade efter"]),
            (None, &["検索", "検索した", "探した"]),
        ],
    },
    Action {
        values: &["view_product", "product_view", "view"],
        called: &[
            (EN, &["view", "viewed", "views", "looked at", "look at", "looking at", "product view"]),
            (DE, &["angesehen", "angeschaut", "betrachtet", "ansicht", "aufruf"]),
            (FR, &["vue", "vues", "vu", "consulté", "consultés", "consultation", "regardé"]),
            (ES, &["vista", "vistas", "visto", "vieron", "visualización", "visualizaciones"]),
            (SV, &["visning", "visade", "visad", "tittat på", "tittade på"]),
            (None, &["閲覧", "閲覧した", "見た"]),
        ],
    },
    Action {
        values: &["add_to_cart", "cart_add", "add_cart"],
        called: &[
            (
                EN,
                &[
                    "add to cart",
                    "added to cart",
                    "adds to cart",
                    "add to basket",
                    "added to basket",
                    "added to the cart",
                    "put in the cart",
                    "put in the basket",
                    "put in cart",
                    "put into the cart",
                    "in the cart",
                    "carted",
                ],
            ),
            (DE, &["in den Warenkorb gelegt", "in den Warenkorb", "im Warenkorb", "Warenkorb"]),
            (FR, &["ajouté au panier", "ajouts au panier", "ajout au panier", "mis au panier", "au panier", "panier"]),
            (ES, &["añadido al carrito", "agregado al carrito", "añadidos al carrito", "al carrito", "carrito"]),
            (
                SV,
                &["lagt i varukorgen", "lagt i korgen", "lade i varukorgen", "i varukorgen", "varukorg", "varukorgen"],
            ),
            (None, &["カートに追加", "カートに入れた", "カート追加", "カート"]),
        ],
    },
    Action {
        values: &["checkout", "check_out", "begin_checkout"],
        called: &[
            (EN, &["checkout", "check out", "checked out", "check-out"]),
            (DE, &["Kasse", "zur Kasse", "zur Kasse gegangen"]),
            (FR, &["passage en caisse", "passé en caisse", "caisse"]),
            (ES, &["pasar por caja", "pasó por caja", "caja"]),
            (SV, &["kassan", "till kassan", "gick till kassan"]),
            (None, &["レジ", "チェックアウト"]),
        ],
    },
    Action {
        values: &["purchase", "buy", "order", "sale"],
        called: &[
            (EN, &["purchase", "buy", "bought", "order", "ordered", "sale", "sold", "paid", "paid for"]),
            (
                DE,
                &[
                    "Kauf",
                    "Käufe",
                    "gekauft",
                    "kaufte",
                    "Einkauf",
                    "Einkäufe",
                    "Bestellung",
                    "bestellt",
                    "Verkauf",
                    "Verkäufe",
                    "verkauft",
                    "bezahlt",
                ],
            ),
            (FR, &["achat", "acheté", "acheter", "commande", "commandé", "vente", "vendu", "payé"]),
            (ES, &["compra", "comprado", "compró", "pedido", "pedidos", "venta", "vendido", "pagado"]),
            (SV, &["köp", "köpt", "köpte", "inköp", "beställning", "beställt", "beställde", "såld", "sålt", "betalat"]),
            (None, &["購入", "購入した", "注文", "注文した", "買った", "買い物"]),
        ],
    },
    Action {
        values: &["return", "refund", "return_product", "returned"],
        called: &[
            (EN, &["return", "returned", "refund", "refunded", "sent back", "send back"]),
            (
                DE,
                &[
                    "Rückgabe",
                    "Rückgaben",
                    "Retoure",
                    "zurückgegeben",
                    "zurückgeschickt",
                    "Rücksendung",
                    "Erstattung",
                    "Rückerstattung",
                    "erstattet",
                ],
            ),
            (FR, &["retour", "retourné", "renvoyé", "remboursement", "remboursé"]),
            (ES, &["devolución", "devoluciones", "devuelto", "devuelta", "reembolso", "reembolsado"]),
            (SV, &["retur", "returer", "returnerat", "returnerad", "återköp", "återbetalning", "återlämnat"]),
            (None, &["返品", "返金", "返品した", "返送"]),
        ],
    },
];

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;
    use crate::lookup::words::fold;

    #[test]
    fn no_word_stands_for_two_actions_or_browsers() {
        let mut seen: HashMap<String, &str> = HashMap::new();
        let actions = ACTIONS.iter().flat_map(|action| {
            action.called.iter().flat_map(|(_, words)| words.iter()).map(|word| (*word, action.values[0]))
        });
        let browsers = BROWSERS.iter().flat_map(|browser| browser.called.iter().map(|word| (*word, browser.name)));
        for (word, of) in actions.chain(browsers) {
            let before = seen.insert(fold(word), of);
            assert!(before.is_none_or(|before| before == of), "{word}: {before:?} and {of}");
        }
        assert!(seen.len() > 200);
    }
}
