//! A QR code as SVG within a page, and the address that it holds.
//!
//! Used by the pile page; the address also stands on the label (`op/label`), and OCPI's addresses begin with the site's. The code's pattern is the library's; here it is drawn.

use std::fmt::Write;

use actix_web::HttpRequest;
use qrcode::{Color, EcLevel, QrCode};

use crate::chart::escape;
use crate::{Site, client, view};

/// White modules around a code (ISO/IEC 18004, 6.3.8).
const QUIET_ZONE: usize = 4;

/// The whole address of a pile's page.
pub(crate) fn pile_address(request: &HttpRequest, site: &Site, pile_id: &str) -> String {
    format!("{}/p/{}", site_address(request, site), view::segment(pile_id))
}

/// The address under which the public reaches the site: as set, else as this visitor reached it.
pub(crate) fn site_address(request: &HttpRequest, site: &Site) -> String {
    match &site.settings.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => {
            format!("{}://{}", client::scheme(request, site.settings.behind_proxy), client::host(request))
        }
    }
}

/// The code of a text, a unit a module, each row of dark modules one broken line: of a long address a code has thousands, and each letter counts.
/// None if the text is too long for a code.
pub(crate) fn svg(text: &str, label: &str) -> Option<String> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let width = code.width();
    let side = width + 2 * QUIET_ZONE;
    let mut svg = format!(
        "<svg class=\"qr\" role=\"img\" aria-label=\"{}\" viewBox=\"0 0 {side} {side}\" shape-rendering=\"crispEdges\"><rect width=\"{side}\" height=\"{side}\" fill=\"#fff\"/><path stroke=\"#000\" d=\"",
        escape(label)
    );
    for (row, modules) in code.to_colors().chunks(width).enumerate() {
        // The middle of the row; the line is as wide as it is high.
        let _ = write!(svg, "M{QUIET_ZONE} {}.5", row + QUIET_ZONE);
        for run in modules.chunk_by(|a, b| a == b) {
            let _ = match run[0] {
                Color::Dark => write!(svg, "h{}", run.len()),
                Color::Light => write!(svg, "m{} 0", run.len()),
            };
        }
    }
    svg.push_str("\"/></svg>");
    Some(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A reader of codes that knows nothing of this program reads it off the served page (`tests/drivers.rs`).
    #[test]
    fn a_code_has_its_quiet_zone_and_is_small_and_too_long_a_text_has_none() {
        let svg = svg("https://piles.example/p/WX-0001", "<码>").expect("fits");
        // 31 bytes at level M: version 3, 29 modules (ISO/IEC 18004, table 7), and 4 white ones on each side.
        assert!(svg.contains("viewBox=\"0 0 37 37\"") && svg.contains("&lt;码&gt;"), "{svg}");
        // The finder pattern begins in the corner: seven dark modules, then light ones, here two.
        assert!(svg.contains("d=\"M4 4.5h7m2 0"), "{svg}");
        assert!(svg.len() < 4_000, "{} bytes", svg.len());
        // The longest identifier, of characters that take twelve letters each in an address.
        let long =
            super::svg(&format!("https://piles.example/p/{}", "%F0%9F%94%8C".repeat(64)), "").expect("fits");
        assert!(long.len() < 22_000, "{} bytes", long.len());
        assert!(super::svg(&"x".repeat(5_000), "").is_none());
    }
}
