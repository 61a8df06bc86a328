//! What countries and cities are called in six languages. An index holds one of the names, or a country's code.

/// Countries: their codes of ISO 3166, and names in English, German, French, Spanish, Swedish and Japanese.
pub static COUNTRIES: &[(&str, &[&str])] = &[
    ("SE", &["Sweden", "Schweden", "Suède", "Suecia", "Sverige", "スウェーデン"]),
    ("NO", &["Norway", "Norwegen", "Norvège", "Noruega", "Norge", "ノルウェー"]),
    ("DK", &["Denmark", "Dänemark", "Danemark", "Dinamarca", "Danmark", "デンマーク"]),
    ("FI", &["Finland", "Finnland", "Finlande", "Finlandia", "フィンランド"]),
    ("IS", &["Iceland", "Island", "Islande", "Islandia", "アイスランド"]),
    ("DE", &["Germany", "Deutschland", "Allemagne", "Alemania", "Tyskland", "ドイツ"]),
    (
        "GB",
        &[
            "United Kingdom",
            "Great Britain",
            "Britain",
            "UK",
            "Großbritannien",
            "Vereinigtes Königreich",
            "Royaume-Uni",
            "Grande-Bretagne",
            "Reino Unido",
            "Gran Bretaña",
            "Storbritannien",
            "イギリス",
            "英国",
        ],
    ),
    ("IE", &["Ireland", "Irland", "Irlande", "Irlanda", "アイルランド"]),
    ("FR", &["France", "Frankreich", "Francia", "Frankrike", "フランス"]),
    (
        "NL",
        &[
            "Netherlands",
            "The Netherlands",
            "Holland",
            "Niederlande",
            "Niederlanden",
            "Pays-Bas",
            "Países Bajos",
            "Nederländerna",
            "オランダ",
        ],
    ),
    ("BE", &["Belgium", "Belgien", "Belgique", "Bélgica", "ベルギー"]),
    ("AT", &["Austria", "Österreich", "Oesterreich", "Autriche", "Österrike", "オーストリア"]),
    ("CH", &["Switzerland", "Schweiz", "Suisse", "Suiza", "スイス"]),
    ("ES", &["Spain", "Spanien", "Espagne", "España", "スペイン"]),
    ("PT", &["Portugal", "ポルトガル"]),
    ("IT", &["Italy", "Italien", "Italie", "Italia", "イタリア"]),
    ("PL", &["Poland", "Polen", "Pologne", "Polonia", "ポーランド"]),
    (
        "CZ",
        &[
            "Czechia",
            "Czech Republic",
            "Tschechien",
            "Tchéquie",
            "République tchèque",
            "Chequia",
            "República Checa",
            "Tjeckien",
            "チェコ",
        ],
    ),
    ("HU", &["Hungary", "Ungarn", "Hongrie", "Hungría", "Ungern", "ハンガリー"]),
    ("EE", &["Estonia", "Estland", "Estonie", "エストニア"]),
    ("LV", &["Latvia", "Lettland", "Lettonie", "Letonia", "ラトビア"]),
    ("LT", &["Lithuania", "Litauen", "Lituanie", "Lituania", "リトアニア"]),
    ("GR", &["Greece", "Griechenland", "Grèce", "Grecia", "Grekland", "ギリシャ"]),
    (
        "US",
        &[
            "United States",
            "United States of America",
            "USA",
            "America",
            "Vereinigte Staaten",
            "Amerika",
            "États-Unis",
            "Etats Unis",
            "Estados Unidos",
            "Förenta staterna",
            "アメリカ",
            "米国",
        ],
    ),
    ("CA", &["Canada", "Kanada", "Canadá", "カナダ"]),
    ("AU", &["Australia", "Australien", "Australie", "オーストラリア"]),
    ("JP", &["Japan", "Japon", "Japón", "日本"]),
    ("SG", &["Singapore"]),
    ("KR", &["South Korea", "Korea", "Südkorea", "Corée du Sud", "Corea del Sur", "Sydkorea", "韓国"]),
    ("CN", &["China", "Chine", "Kina", "中国"]),
    ("IN", &["India", "Indien", "Inde", "インド"]),
    ("BR", &["Brazil", "Brasilien", "Brésil", "Brasil", "ブラジル"]),
    ("MX", &["Mexico", "Mexiko", "Mexique", "México", "メキシコ"]),
    ("TR", &["Turkey", "Türkei", "Turquie", "Turquía", "Turkiet", "トルコ"]),
    ("UA", &["Ukraine", "Ucrania", "Ukraina", "ウクライナ"]),
];

/// Cities with other names elsewhere. One is known when the index holds any of its names.
pub static CITIES: &[&[&str]] = &[
    &["Stockholm", "Estocolmo", "ストックホルム"],
    &["Gothenburg", "Göteborg", "Gotemburgo", "Göteburg", "ヨーテボリ"],
    &["Malmö", "マルメ"],
    &["Oslo", "オスロ"],
    &["Copenhagen", "København", "Kopenhagen", "Copenhague", "Köpenhamn", "コペンハーゲン"],
    &["Helsinki", "Helsingfors", "ヘルシンキ"],
    &["Tampere", "Tammerfors"],
    &["Reykjavik", "Reykjavík", "レイキャビク"],
    &["Berlin", "Berlín", "ベルリン"],
    &["Hamburg", "Hambourg", "Hamburgo", "ハンブルク"],
    &["Munich", "München", "Múnich", "ミュンヘン"],
    &["Cologne", "Köln", "Colonia", "ケルン"],
    &["Frankfurt", "Francfort", "Fráncfort", "フランクフルト"],
    &["London", "Londres", "ロンドン"],
    &["Manchester", "マンチェスター"],
    &["Edinburgh", "Édimbourg", "Edimburgo", "エディンバラ"],
    &["Dublin", "Dublín", "ダブリン"],
    &["Paris", "París", "パリ"],
    &["Lyon", "リヨン"],
    &["Marseille", "Marsella", "マルセイユ"],
    &["Amsterdam", "Ámsterdam", "アムステルダム"],
    &["Rotterdam", "Róterdam", "ロッテルダム"],
    &["Brussels", "Brüssel", "Bruxelles", "Bruselas", "Bryssel", "ブリュッセル"],
    &["Vienna", "Wien", "Vienne", "Viena", "ウィーン"],
    &["Zurich", "Zürich", "Zúrich", "チューリッヒ"],
    &["Geneva", "Genf", "Genève", "Ginebra", "ジュネーブ"],
    &["Madrid", "マドリード"],
    &["Barcelona", "Barcelone", "バルセロナ"],
    &["Lisbon", "Lissabon", "Lisbonne", "Lisboa", "リスボン"],
    &["Rome", "Roma", "Rom", "ローマ"],
    &["Milan", "Milano", "Mailand", "Milán", "ミラノ"],
    &["Warsaw", "Warszawa", "Warschau", "Varsovie", "Varsovia", "ワルシャワ"],
    &["Krakow", "Kraków", "Krakau", "Cracovie", "Cracovia", "クラクフ"],
    &["Prague", "Praha", "Prag", "Praga", "プラハ"],
    &["Budapest", "ブダペスト"],
    &["Tallinn", "Tallin", "タリン"],
    &["Riga", "リガ"],
    &["Vilnius", "Wilna", "Vilna", "ヴィリニュス"],
    &["Athens", "Athen", "Athènes", "Atenas", "Aten", "アテネ"],
    &["New York", "Nueva York", "ニューヨーク"],
    &["Chicago", "シカゴ"],
    &["Los Angeles", "Los Ángeles", "ロサンゼルス"],
    &["Toronto", "トロント"],
    &["Sydney", "Sídney", "シドニー"],
    &["Tokyo", "Tokio", "東京"],
    &["Singapore", "Singapur", "Singapour", "シンガポール"],
    &["Seoul", "Séoul", "Seúl", "Söul", "ソウル", "서울"],
    &["Beijing", "Peking", "Pékin", "Pekín", "北京"],
    &["Osaka", "大阪"],
    &["Mexico City", "Mexiko-Stadt", "Ciudad de México"],
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::lookup::words::fold;

    #[test]
    fn no_name_stands_for_two_places() {
        let mut seen = HashSet::new();
        let names = COUNTRIES.iter().map(|(_, names)| *names).chain(CITIES.iter().copied());
        for group in names {
            let folded: HashSet<String> = group.iter().map(|name| fold(name)).collect();
            // A city that is a country as well.
            for name in folded.into_iter().filter(|name| name != "singapore") {
                assert!(seen.insert(name.clone()), "{name}");
            }
        }
        assert!(seen.len() > 200);
    }
}
