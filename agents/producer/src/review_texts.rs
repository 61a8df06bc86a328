//! What people say of products, in several languages. `{p}` stands for the product.

/// How content somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// One or two stars.
    Bad,
    /// Three.
    Middling,
    /// Four or five.
    Good,
}

/// What is said in one mood.
#[derive(Debug)]
pub struct Words {
    /// Titles.
    pub titles: &'static [&'static str],
    /// First sentences.
    pub first: &'static [&'static str],
    /// Sentences that may follow, in any order.
    pub more: &'static [&'static str],
    /// What some put behind it.
    pub flourishes: &'static [&'static str],
}

/// A language.
#[derive(Debug)]
pub struct Language {
    /// ISO 639-1.
    pub code: &'static str,
    /// Where it is spoken, ISO 3166-1.
    pub countries: &'static [&'static str],
    /// What stands between sentences.
    pub between: &'static str,
    good: Words,
    middling: Words,
    bad: Words,
}

impl Language {
    /// What is said in a mood.
    pub fn words(&self, mood: Mood) -> &Words {
        match mood {
            Mood::Good => &self.good,
            Mood::Middling => &self.middling,
            Mood::Bad => &self.bad,
        }
    }
}

const HAPPY: &[&str] = &["👍", "😍", "🎉", "❤️", "⭐⭐⭐⭐⭐"];
const UNSURE: &[&str] = &["🤷", "😐", "🙃"];
const ANGRY: &[&str] = &["👎", "😡", "💔", "😤"];

/// The languages; the first is everybody's who has none of the others.
pub static LANGUAGES: &[Language] = &[
    Language {
        code: "en",
        countries: &["GB", "IE", "US", "CA", "AU", "SG"],
        between: " ",
        good: Words {
            titles: &["Just what I wanted", "Very happy", "Would buy again", "Great quality", "Exceeded expectations"],
            first: &[
                "I have used the {p} every day for three weeks and it still feels like new.",
                "The {p} is even nicer than in the pictures.",
                "Bought the {p} as a gift, and it was a complete success.",
                "For this price I did not expect the {p} to be so well made.",
                "My sister recommended the {p} and she was right.",
            ],
            more: &[
                "It arrived two days early and was packed with care.",
                "The quality is well above what I paid before.",
                "Everybody in the family wants one now.",
                "I have already ordered a second one.",
                "Support answered my question within an hour.",
            ],
            flourishes: HAPPY,
        },
        middling: Words {
            titles: &["It's okay", "Mixed feelings", "Does its job", "Not bad, not great"],
            first: &[
                "The {p} does what it should, but no more than that.",
                "I like the look of the {p}, the finish less so.",
                "The {p} is fine for the money.",
                "After a month with the {p} I am still not sure.",
            ],
            more: &[
                "The colour is a little darker than in the picture.",
                "Delivery took a week longer than promised.",
                "It is smaller than I had thought.",
                "I would take another brand next time.",
            ],
            flourishes: UNSURE,
        },
        bad: Words {
            titles: &["Disappointed", "Broke after a week", "Sent it back", "Not as described"],
            first: &[
                "The {p} broke on the fourth day.",
                "What came has little to do with the {p} in the pictures.",
                "I expected more of the {p} at this price.",
                "Half of the {p} was missing from the parcel.",
            ],
            more: &[
                "I am still waiting for my money.",
                "The box was open when it arrived.",
                "Nobody answers my messages.",
                "Save your money.",
            ],
            flourishes: ANGRY,
        },
    },
    Language {
        code: "de",
        countries: &["DE", "AT", "CH"],
        between: " ",
        good: Words {
            titles: &["Klare Empfehlung", "Sehr zufrieden", "Gerne wieder", "Top Qualität", "Besser als erwartet"],
            first: &[
                "Ich benutze das Produkt ({p}) seit drei Wochen täglich und bin begeistert.",
                "„{p}“ sieht in echt noch schöner aus als auf den Bildern.",
                "Als Geschenk gekauft, {p} kam sehr gut an.",
                "Für diesen Preis hätte ich bei {p} nicht so viel Qualität erwartet.",
                "Auf Empfehlung bestellt und nicht bereut: {p}.",
            ],
            more: &[
                "Die Lieferung kam zwei Tage früher und war sorgfältig verpackt.",
                "Die Verarbeitung ist ausgezeichnet.",
                "Inzwischen möchte die ganze Familie so etwas haben.",
                "Ich habe gleich noch einmal bestellt.",
                "Der Kundendienst hat schnell und freundlich geantwortet.",
            ],
            flourishes: HAPPY,
        },
        middling: Words {
            titles: &["Ganz in Ordnung", "Geht so", "Erfüllt seinen Zweck", "Durchwachsen"],
            first: &[
                "{p} tut, was es soll, aber auch nicht mehr.",
                "Optisch gefällt mir {p}, die Verarbeitung weniger.",
                "Für das Geld ist {p} in Ordnung.",
                "Nach einem Monat mit {p} bin ich noch unschlüssig.",
            ],
            more: &[
                "Die Farbe ist etwas dunkler als auf dem Bild.",
                "Die Lieferung dauerte eine Woche länger als angekündigt.",
                "Es fällt kleiner aus, als ich dachte.",
                "Nächstes Mal würde ich eine andere Marke nehmen.",
            ],
            flourishes: UNSURE,
        },
        bad: Words {
            titles: &["Leider enttäuscht", "Nach einer Woche kaputt", "Zurückgeschickt", "Finger weg"],
            first: &[
                "{p} war schon am vierten Tag kaputt.",
                "Was ankam, hat mit {p} auf den Bildern wenig zu tun.",
                "Bei diesem Preis hätte ich von {p} mehr erwartet.",
                "Im Paket fehlte die Hälfte von {p}.",
            ],
            more: &[
                "Auf mein Geld warte ich immer noch.",
                "Die Schachtel war beim Auspacken schon offen.",
                "Auf meine Nachrichten antwortet niemand.",
                "Das Geld könnt ihr euch sparen.",
            ],
            flourishes: ANGRY,
        },
    },
    Language {
        code: "fr",
        countries: &["FR", "BE"],
        between: " ",
        good: Words {
            titles: &["Très satisfait", "Je recommande", "Parfait", "Excellente qualité", "Un vrai coup de cœur"],
            first: &[
                "J'utilise ce produit ({p}) tous les jours depuis trois semaines et j'en suis ravie.",
                "« {p} » est encore plus joli que sur les photos.",
                "Acheté pour offrir, {p} a beaucoup plu.",
                "À ce prix, je n'attendais pas une telle qualité : {p}.",
                "On m'avait conseillé {p}, et on avait raison.",
            ],
            more: &[
                "La livraison est arrivée avec deux jours d'avance, bien emballée.",
                "Les finitions sont impeccables.",
                "Maintenant toute la famille en veut un.",
                "J'en ai déjà commandé un deuxième.",
                "Le service client a répondu en moins d'une heure.",
            ],
            flourishes: HAPPY,
        },
        middling: Words {
            titles: &["Correct", "Avis partagé", "Sans plus", "Fait l'affaire"],
            first: &[
                "{p} fait ce qu'on lui demande, sans plus.",
                "J'aime bien l'aspect de {p}, un peu moins les finitions.",
                "Pour le prix, {p} est correct.",
                "Après un mois avec {p}, j'hésite encore.",
            ],
            more: &[
                "La couleur est un peu plus foncée que sur la photo.",
                "La livraison a pris une semaine de plus que prévu.",
                "C'est plus petit que je ne le pensais.",
                "La prochaine fois, je prendrai une autre marque.",
            ],
            flourishes: UNSURE,
        },
        bad: Words {
            titles: &["Déçue", "Cassé au bout d'une semaine", "Renvoyé", "À éviter"],
            first: &[
                "{p} s'est cassé dès le quatrième jour.",
                "Ce que j'ai reçu n'a pas grand-chose à voir avec {p} sur les photos.",
                "À ce prix, j'attendais mieux de {p}.",
                "Il manquait la moitié de {p} dans le colis.",
            ],
            more: &[
                "J'attends toujours mon remboursement.",
                "Le carton était déjà ouvert à l'arrivée.",
                "Personne ne répond à mes messages.",
                "Gardez votre argent.",
            ],
            flourishes: ANGRY,
        },
    },
    Language {
        code: "es",
        countries: &["ES"],
        between: " ",
        good: Words {
            titles: &["Muy contento", "Lo recomiendo", "Repetiré", "Gran calidad", "Mejor de lo esperado"],
            first: &[
                "Uso este producto ({p}) a diario desde hace tres semanas y sigue como nuevo.",
                "«{p}» es aún más bonito que en las fotos.",
                "Lo compré para regalar y {p} gustó muchísimo.",
                "Por este precio no esperaba tanta calidad de {p}.",
                "Me recomendaron {p} y acertaron.",
            ],
            more: &[
                "El envío llegó dos días antes y muy bien embalado.",
                "El acabado es excelente.",
                "Ahora toda la familia quiere uno.",
                "Ya he pedido otro.",
                "La atención al cliente respondió en menos de una hora.",
            ],
            flourishes: HAPPY,
        },
        middling: Words {
            titles: &["Está bien", "Cumple", "Ni fu ni fa", "Opiniones encontradas"],
            first: &[
                "{p} hace lo que debe, pero nada más.",
                "Me gusta el aspecto de {p}, el acabado no tanto.",
                "Por lo que cuesta, {p} está bien.",
                "Después de un mes con {p} sigo sin estar seguro.",
            ],
            more: &[
                "El color es algo más oscuro que en la foto.",
                "El envío tardó una semana más de lo prometido.",
                "Es más pequeño de lo que pensaba.",
                "La próxima vez elegiré otra marca.",
            ],
            flourishes: UNSURE,
        },
        bad: Words {
            titles: &["Decepcionada", "Se rompió en una semana", "Devuelto", "No lo compren"],
            first: &[
                "{p} se rompió al cuarto día.",
                "Lo que llegó se parece poco a {p} en las fotos.",
                "A este precio esperaba más de {p}.",
                "En el paquete faltaba la mitad de {p}.",
            ],
            more: &[
                "Todavía espero que me devuelvan el dinero.",
                "La caja llegó abierta.",
                "Nadie contesta a mis mensajes.",
                "Ahórrense el dinero.",
            ],
            flourishes: ANGRY,
        },
    },
    Language {
        code: "ko",
        countries: &["KR"],
        between: " ",
        good: Words {
            titles: &["대만족입니다", "추천해요", "재구매 의사 있어요", "품질이 좋아요", "기대 이상이에요"],
            first: &[
                "{p} 제품을 3주째 매일 쓰고 있는데 아직도 새것 같아요.",
                "{p}, 사진보다 실물이 훨씬 예뻐요.",
                "선물용으로 {p} 제품을 샀는데 반응이 아주 좋았어요.",
                "이 가격에 {p} 정도의 품질일 줄은 몰랐습니다.",
                "친구 추천으로 {p} 제품을 샀는데 잘 샀다고 생각해요.",
            ],
            more: &[
                "배송도 이틀이나 빨리 왔고 포장도 꼼꼼했어요.",
                "마감이 정말 깔끔합니다.",
                "온 가족이 하나씩 갖고 싶어 해요.",
                "벌써 하나 더 주문했어요.",
                "문의했더니 한 시간 안에 답변을 주셨어요.",
            ],
            flourishes: &["ㅎㅎ", "👍", "😍", "^^", "❤️"],
        },
        middling: Words {
            titles: &["그냥 그래요", "보통이에요", "쓸 만해요", "반반이에요"],
            first: &[
                "{p}, 딱 기본은 하지만 그 이상은 아니에요.",
                "{p} 디자인은 마음에 드는데 마감이 아쉬워요.",
                "가격을 생각하면 {p} 제품은 괜찮은 편입니다.",
                "{p} 제품을 한 달 써 봤는데 아직 잘 모르겠어요.",
            ],
            more: &[
                "색상이 사진보다 조금 어두워요.",
                "배송이 예정보다 일주일 늦었습니다.",
                "생각보다 크기가 작아요.",
                "다음에는 다른 브랜드를 살 것 같아요.",
            ],
            flourishes: &["ㅎ", "🤷", "..."],
        },
        bad: Words {
            titles: &["실망했어요", "일주일 만에 고장", "반품했습니다", "비추천"],
            first: &[
                "{p} 제품이 나흘 만에 고장 났어요.",
                "받은 물건이 사진 속 {p} 제품과 너무 달라요.",
                "이 가격이면 {p} 제품에 더 기대했는데 실망입니다.",
                "{p} 구성품이 절반이나 빠져 있었어요.",
            ],
            more: &[
                "아직도 환불을 기다리고 있습니다.",
                "상자가 이미 열려 있었어요.",
                "문의해도 답이 없네요.",
                "돈이 아깝습니다.",
            ],
            flourishes: &["ㅠㅠ", "👎", "😡", "ㅡㅡ"],
        },
    },
    Language {
        code: "ja",
        countries: &["JP"],
        between: "",
        good: Words {
            titles: &["大満足です", "おすすめです", "また買います", "品質が良い", "期待以上でした"],
            first: &[
                "{p}を三週間毎日使っていますが、まだ新品のようです。",
                "{p}は写真より実物のほうがずっときれいでした。",
                "贈り物に{p}を買いましたが、とても喜ばれました。",
                "この値段で{p}がここまで良いとは思いませんでした。",
                "友人にすすめられて{p}を買いましたが、正解でした。",
            ],
            more: &[
                "予定より二日早く届き、梱包も丁寧でした。",
                "作りがとてもしっかりしています。",
                "家族みんなが欲しがっています。",
                "もう一つ注文しました。",
                "問い合わせにもすぐに答えてくれました。",
            ],
            flourishes: &["(^^)", "👍", "😊", "✨", "♪"],
        },
        middling: Words {
            titles: &["まあまあです", "普通です", "可もなく不可もなく", "悪くはない"],
            first: &[
                "{p}は普通に使えますが、それ以上ではありません。",
                "{p}の見た目は好きですが、仕上げが少し残念です。",
                "値段を考えれば{p}は悪くないと思います。",
                "{p}を一か月使いましたが、まだ何とも言えません。",
            ],
            more: &[
                "色は写真より少し暗いです。",
                "届くのが予定より一週間遅れました。",
                "思ったより小さかったです。",
                "次は別のメーカーにすると思います。",
            ],
            flourishes: &["(-_-)", "🤔", "…"],
        },
        bad: Words {
            titles: &["がっかりしました", "一週間で壊れました", "返品しました", "おすすめしません"],
            first: &[
                "{p}は四日目で壊れてしまいました。",
                "届いた物は写真の{p}とかなり違います。",
                "この値段なので{p}にはもっと期待していました。",
                "{p}の部品が半分入っていませんでした。",
            ],
            more: &[
                "返金をまだ待っています。",
                "箱がすでに開いていました。",
                "問い合わせても返事がありません。",
                "お金の無駄でした。",
            ],
            flourishes: &["(T_T)", "👎", "😢", "💢"],
        },
    },
];
