//! A test alone: on pages of those who sign in, which show what others wrote to the letter, a name stands in an element of its own.
//!
//! A name may hold marks that turn the direction of writing. They end with the element (`site.css`, and `bdi` where there is no other), so
//! that nothing else is turned. Public pages show no such mark at all ([`crate::view::name`]).

use std::path::Path;

/// Templates of pages that show names to the letter, by how their files begin.
const PAGES: [&str; 8] = ["acts", "certificate", "evidence", "faults", "op", "queue", "signal", "ver"];

/// What others may have written, by the last word of the expression.
const NAMES: [&str; 20] = [
    "address",
    "answer",
    "by",
    "detail",
    "evidence",
    "f.get(\"id\")",
    "f.get(\"pile\")",
    "firmware",
    "id",
    "model",
    "operator",
    "person",
    "pile",
    "remark",
    "remarks",
    "says",
    "serial",
    "station",
    "subject",
    "u",
];

enum Token<'a> {
    Expression(&'a str),
    Tag(&'a str),
    /// Words, or a rule of the template.
    Other,
}

/// The part of a text up to a mark, and what comes after it.
fn until<'a>(text: &'a str, mark: &str) -> (&'a str, &'a str) {
    text.split_once(mark).unwrap_or((text, ""))
}

/// Where a tag ends: not within quotes, nor within what is filled in.
fn tag(text: &str) -> (&str, &str) {
    let (mut rest, mut is_quoted) = (text, false);
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '{' if rest.starts_with("{{") => until(rest, "}}").1,
            '{' if rest.starts_with("{%") => until(rest, "%}").1,
            '>' if !is_quoted => return (&text[..text.len() - rest.len()], &rest[1..]),
            _ => {
                is_quoted ^= c == '"';
                &rest[c.len_utf8()..]
            }
        };
    }
    (text, "")
}

fn tokens(template: &str) -> Vec<Token<'_>> {
    let (mut tokens, mut rest) = (Vec::new(), template.trim_start());
    while let Some(c) = rest.chars().next() {
        let (token, after) = if let Some(begun) = rest.strip_prefix("{{") {
            let (expression, after) = until(begun, "}}");
            (Token::Expression(expression.trim()), after)
        } else if let Some(begun) = rest.strip_prefix("{%") {
            (Token::Other, until(begun, "%}").1)
        } else if let Some(begun) = rest.strip_prefix('<') {
            let (tag, after) = tag(begun);
            (Token::Tag(tag), after)
        } else {
            (Token::Other, &rest[c.len_utf8()..])
        };
        tokens.push(token);
        rest = after.trim_start();
    }
    tokens
}

/// Names that do not stand alone between the beginning and the end of an element, or of a line in it.
fn bare(template: &str) -> Vec<&str> {
    let is_name = |expression: &str| {
        NAMES.contains(&expression) || expression.rsplit('.').next().is_some_and(|word| NAMES.contains(&word))
    };
    let is_bare = |around: &[Token<'_>]| {
        let begins = matches!(&around[0], Token::Tag(tag) if !tag.starts_with('/'));
        let ends = matches!(&around[2], Token::Tag(tag) if tag.starts_with('/') || *tag == "br");
        !(begins && ends)
    };
    let tokens = tokens(template);
    let found = tokens.windows(3).filter_map(|around| match around[1] {
        Token::Expression(expression) if is_name(expression) && is_bare(around) => Some(expression),
        _ => None,
    });
    found.collect()
}

#[test]
fn a_name_is_bare_where_anything_stands_beside_it() {
    for (template, expected) in [
        ("<p><b>{{ line.id }}</b> {{ line.station }}</p>", vec!["line.station"]),
        ("<p> <bdi>{{ line.station }}</bdi> · {{ count }}</p>", vec![]),
        ("<td>{{ o.pile }} · {{ o.outlet }}</td>", vec!["o.pile"]),
        (
            "<td>{{ o.pile }}<br><small>{{ i.serial }} · {{ i.address }}</small></td>",
            vec!["i.serial", "i.address"],
        ),
        ("<p>{% if let Some(by) = by %}{{ by }}{% endif %}</p>", vec!["by"]),
        (
            "<input value=\"{{ f.get(\"id\") }}>\" name=\"a>b\"><h2>New {{ f.get(\"id\") }}</h2>",
            vec!["f.get(\"id\")"],
        ),
    ] {
        assert_eq!(bare(template), expected, "{template}");
    }
}

#[test]
fn names_stand_alone_on_pages_that_show_them_to_the_letter() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut pages = 0;
    for entry in std::fs::read_dir(folder).expect("templates") {
        let path = entry.expect("a template").path();
        let file = path.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
        if !PAGES.iter().any(|page| file.starts_with(page)) {
            continue;
        }
        let template = std::fs::read_to_string(&path).expect("readable");
        // The title of a tab is no element's, and has no other beside it.
        let begun = template.find("{% block title %}").unwrap_or(0);
        let ended = template[begun..].find("{% endblock %}").map_or(begun, |length| begun + length);
        let without_title = format!("{}{}", &template[..begun], &template[ended..]);
        assert_eq!(bare(&without_title), [""; 0], "{file}");
        pages += 1;
    }
    assert!(20 < pages, "{pages}");
    let style = include_str!("../assets/site.css");
    let isolating = style.split("{unicode-bidi:isolate}").next().and_then(|before| before.lines().last());
    let isolating: Vec<&str> = isolating.unwrap_or_default().split(',').collect();
    for element in ["a", "b", "code", "dd", "dt", "label", "small", "span", "summary", "td", "th"] {
        assert!(isolating.contains(&element), "{element}: {isolating:?}");
    }
}
