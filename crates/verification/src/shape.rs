//! Primitive shapes: what charts and sheets are drawn of. Drawn once, rendered as SVG ([`crate::chart`]) or as PDF
//! ([`crate::certificate::pdf`]). Lengths in the drawing's own unit, y downwards. Nothing here knows what it depicts.

/// A place.
pub(crate) type Place = (f64, f64);

/// A colour with its role. Dark enough on white for print in grey; no meaning hangs on colour alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// Text and main lines.
    Black,
    /// Secondary text.
    Grey,
    /// Rules between rows, grid lines.
    Pale,
    /// Background of headers.
    Wash,
    /// The band of the maximum permissible error.
    Band,
    /// Paper.
    White,
    /// Conform.
    Good,
    /// Undecided.
    Open,
    /// Not conform.
    Bad,
}

impl Ink {
    /// Red, green, blue.
    pub(crate) fn rgb(self) -> (u8, u8, u8) {
        match self {
            Self::Black => (0x1c, 0x1f, 0x23),
            Self::Grey => (0x57, 0x5e, 0x66),
            Self::Pale => (0xc9, 0xce, 0xd4),
            Self::Wash => (0xf1, 0xf3, 0xf5),
            Self::Band => (0xe2, 0xef, 0xe6),
            Self::White => (0xff, 0xff, 0xff),
            Self::Good => (0x1a, 0x7f, 0x37),
            Self::Open => (0xb0, 0x6a, 0x00),
            Self::Bad => (0xc6, 0x1f, 0x2b),
        }
    }
}

/// Which end of a text its place is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Anchor {
    /// Its first letter.
    Start,
    /// Its middle.
    Middle,
    /// Its last letter.
    End,
}

/// How a text runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Run {
    /// From left to right.
    Level,
    /// From bottom to top.
    Upwards,
}

/// How heavy a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Weight {
    /// As the font has it.
    Regular,
    /// Thickened.
    Bold,
}

/// An outline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Outline {
    /// Its colour.
    pub(crate) ink: Ink,
    /// Its width.
    pub(crate) width: f64,
}

/// A text on one line.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Label {
    /// Where, on the base line.
    pub(crate) at: Place,
    /// Which end that is.
    pub(crate) anchor: Anchor,
    /// Size.
    pub(crate) size: f64,
    /// Weight.
    pub(crate) weight: Weight,
    /// Direction.
    pub(crate) run: Run,
    /// Colour.
    pub(crate) ink: Ink,
    /// The text.
    pub(crate) text: String,
}

/// A shape.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Shape {
    /// A straight line.
    Line {
        /// From.
        from: Place,
        /// To.
        to: Place,
        /// How.
        outline: Outline,
        /// Length of dashes and of the gaps between them; zero: none.
        dash: f64,
    },
    /// A closed polygon.
    Area {
        /// Its corners.
        corners: Vec<Place>,
        /// Its inside.
        fill: Ink,
        /// Its outline.
        outline: Option<Outline>,
    },
    /// A circle.
    Circle {
        /// Its centre.
        centre: Place,
        /// Its radius.
        radius: f64,
        /// Its inside.
        fill: Ink,
        /// Its outline.
        outline: Option<Outline>,
    },
    /// A text.
    Text(Label),
}

impl Shape {
    /// A plain line.
    pub(crate) fn line(from: Place, to: Place, ink: Ink, width: f64) -> Self {
        Self::Line { from, to, outline: Outline { ink, width }, dash: 0.0 }
    }

    /// A filled rectangle by its left top corner and its size.
    pub(crate) fn block(at: Place, size: (f64, f64), fill: Ink) -> Self {
        let ((left, top), (right, bottom)) = (at, (at.0 + size.0, at.1 + size.1));
        Self::Area {
            corners: vec![(left, top), (right, top), (right, bottom), (left, bottom)],
            fill,
            outline: None,
        }
    }

    /// The same, scaled and then moved.
    pub(crate) fn placed(self, scale: f64, by: Place) -> Self {
        let place = |(x, y): Place| (x * scale + by.0, y * scale + by.1);
        let scaled = |outline: Outline| Outline { width: outline.width * scale, ..outline };
        match self {
            Self::Line { from, to, outline, dash } => {
                Self::Line { from: place(from), to: place(to), outline: scaled(outline), dash: dash * scale }
            }
            Self::Area { corners, fill, outline } => Self::Area {
                corners: corners.into_iter().map(place).collect(),
                fill,
                outline: outline.map(scaled),
            },
            Self::Circle { centre, radius, fill, outline } => Self::Circle {
                centre: place(centre),
                radius: radius * scale,
                fill,
                outline: outline.map(scaled),
            },
            Self::Text(label) => Self::Text(Label { at: place(label.at), size: label.size * scale, ..label }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // By hand: 2 × (1, 2) + (10, 20) = (12, 24).
    #[test]
    fn a_placed_shape_is_scaled_before_it_is_moved() {
        let line = Shape::line((1.0, 2.0), (3.0, 4.0), Ink::Black, 0.5).placed(2.0, (10.0, 20.0));
        assert_eq!(line, Shape::line((12.0, 24.0), (16.0, 28.0), Ink::Black, 1.0));
    }
}
