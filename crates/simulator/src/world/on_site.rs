//! On-site results of a world: anchors before its first day, a sample after its last.

use jiff::{SignedDuration, Timestamp};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::charges::normal;
use super::{Purpose, World, random};

/// A result on site.
#[derive(Debug, Clone, PartialEq)]
pub struct OnSite {
    /// Index of the pile.
    pub pile: usize,
    /// When it was measured.
    pub at: Timestamp,
    /// Error found, percent, to 0.0001.
    pub error_percent: f64,
    /// Expanded uncertainty (k = 2), percent.
    pub expanded_percent: f64,
}

impl World {
    /// Anchors drawn blindly, before any step: some are of piles that change later. And a sample among all others: a pile that is an anchor may
    /// not test itself.
    pub(super) fn draw_on_site(&mut self) {
        let mut rng = random(self.settings.seed, Purpose::OnSite);
        let mut charges = vec![0usize; self.piles.len()];
        for charge in self.charges.iter().filter(|charge| charge.energy_vehicle_wh.is_some()) {
            charges[charge.pile] += 1;
        }
        let mut order: Vec<usize> = (0..self.piles.len()).collect();
        order.shuffle(&mut rng);
        let (before, after) = (self.start - SignedDuration::from_hours(24), self.day(self.days));
        // An anchor without charges gives nobody a level.
        let can_anchor = |pile: &usize| 0 < charges[*pile];
        let anchors: Vec<usize> =
            order.iter().copied().filter(can_anchor).take(self.settings.anchors).collect();
        let sample: Vec<usize> =
            order.into_iter().filter(|pile| !anchors.contains(pile)).take(self.settings.on_site).collect();
        self.anchors = anchors.into_iter().map(|pile| self.visit(pile, before, &mut rng)).collect();
        self.on_site = sample.into_iter().map(|pile| self.visit(pile, after, &mut rng)).collect();
    }

    fn visit(&self, pile: usize, at: Timestamp, rng: &mut ChaCha8Rng) -> OnSite {
        let expanded_percent = self.settings.on_site_expanded_percent;
        let truth = self.error_on(pile, if at < self.start { -1.0 } else { f64::from(self.days) });
        let found = 100.0 * truth + 0.5 * expanded_percent * normal(rng);
        OnSite { pile, at, error_percent: (found * 1e4).round() / 1e4, expanded_percent }
    }
}
