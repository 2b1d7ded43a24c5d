//! The label to stick on a pile: its number and a QR code that opens its public page. A PDF of 62 × 80 mm.
//!
//! Text is set in Helvetica, which every reader has; a number in another script is given by its address below the code.

use actix_web::{HttpRequest, HttpResponse, web};
use pdf_writer::{Content, Finish, Name, Pdf, Rect, Ref, Str};
use qrcode::{Color, EcLevel, QrCode};

use super::pile::known;
use crate::Site;
use crate::problem::Problem;
use crate::qr;
use crate::session::{Person, private};

/// Points in a millimetre.
const MM: f32 = 72.0 / 25.4;

/// Size of the label, points.
const SIZE: (f32, f32) = (62.0 * MM, 80.0 * MM);

/// Side of the code, points.
const SIDE: f32 = 50.0 * MM;

/// GET `/op/piles/{pile}/label.pdf`.
pub(crate) async fn pdf(
    request: HttpRequest,
    site: web::Data<Site>,
    person: Person,
    id: web::Path<String>,
) -> Result<HttpResponse, Problem> {
    let pile = known(&site, &person, &id).await?;
    let address = qr::pile_address(&request, &site, pile.pile_id.as_str());
    let bytes = label(pile.pile_id.as_str(), &address)
        .ok_or_else(|| Problem::parameter("pile", "an address short enough for a QR code"))?;
    Ok(private(HttpResponse::Ok().content_type("application/pdf").body(bytes)))
}

/// The label as a PDF; none if the address is too long for a QR code.
fn label(number: &str, address: &str) -> Option<Vec<u8>> {
    let code = QrCode::with_error_correction_level(address, EcLevel::M).ok()?;
    let mut content = Content::new();
    draw(&mut content, &code);
    let top = SIZE.1 - 9.0 * MM;
    let title = if number.is_ascii() { number } else { "veripile" };
    line(&mut content, title, 14.0, top);
    line(&mut content, "scan: is this pile verified?", 8.0, 12.0 * MM);
    line(&mut content, address, 6.0, 6.0 * MM);
    Some(document(&content.finish()))
}

/// The dark modules, each a square.
fn draw(content: &mut Content, code: &QrCode) {
    let width = code.width();
    let module = SIDE / width as f32;
    let (left, bottom) = ((SIZE.0 - SIDE) / 2.0, 17.0 * MM);
    for (at, colour) in code.to_colors().into_iter().enumerate() {
        if colour == Color::Dark {
            let (row, column) = (at / width, at % width);
            content.rect(
                left + column as f32 * module,
                bottom + (width - 1 - row) as f32 * module,
                module,
                module,
            );
        }
    }
    content.fill_nonzero();
}

/// A line in the middle, made smaller until it fits. Helvetica's letters are some 0.55 of their size wide.
fn line(content: &mut Content, text: &str, size: f32, height: f32) {
    let width = |size: f32| text.len() as f32 * size * 0.55;
    let size = if width(size) > SIZE.0 - 4.0 * MM { size * (SIZE.0 - 4.0 * MM) / width(size) } else { size };
    content.begin_text();
    content.set_font(Name(b"F"), size);
    content.next_line(((SIZE.0 - width(size)) / 2.0).max(2.0 * MM), height);
    content.show(Str(text.as_bytes()));
    content.end_text();
}

fn document(content: &[u8]) -> Vec<u8> {
    let [catalog, pages, page, stream, font] = [1, 2, 3, 4, 5].map(Ref::new);
    let mut pdf = Pdf::new();
    pdf.catalog(catalog).pages(pages);
    pdf.pages(pages).kids([page]).count(1);
    let mut leaf = pdf.page(page);
    leaf.media_box(Rect::new(0.0, 0.0, SIZE.0, SIZE.1)).parent(pages).contents(stream);
    leaf.resources().fonts().pair(Name(b"F"), font);
    leaf.finish();
    pdf.type1_font(font).base_font(Name(b"Helvetica"));
    pdf.stream(stream, content);
    pdf.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_is_a_pdf_for_every_number_and_too_long_an_address_is_none() {
        for number in ["WX-0001", "桩-17"] {
            let bytes = label(number, &format!("https://piles.example/p/{}", crate::view::segment(number)))
                .expect("fits");
            assert!(bytes.starts_with(b"%PDF-") && bytes.len() > 5_000);
        }
        assert!(label("X", &"x".repeat(5_000)).is_none());
    }
}
