//! On-site results of a world: anchors before its first day, a sample after its last.

use jiff::{SignedDuration, Timestamp};
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::charges::normal;
use super::{Purpose, World, WorldError, random};

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
    /// not test itself. More than there are is an error: a world that has fewer than it says would be told as of so many.
    pub(super) fn draw_on_site(&mut self) -> Result<(), WorldError> {
        let mut rng = random(self.settings.seed, Purpose::OnSite);
        let compared = self.compared();
        let mut order: Vec<usize> = (0..self.piles.len()).collect();
        order.shuffle(&mut rng);
        let (before, after) = (self.start - SignedDuration::from_hours(24), self.day(self.days));
        // An anchor without charges gives nobody a level.
        let can_anchor = |pile: &usize| compared[*pile];
        let able: Vec<usize> = order.iter().copied().filter(can_anchor).collect();
        let what = "anchors are measured at more piles than there are with a vehicle's value";
        let anchors = enough(&able, self.settings.anchors, what)?;
        let others: Vec<usize> = order.into_iter().filter(|pile| !anchors.contains(pile)).collect();
        let what = "after the last day more piles are measured on site than there are beside the anchors";
        let sample = enough(&others, self.settings.on_site, what)?;
        self.anchors = anchors.into_iter().map(|pile| self.visit(pile, before, &mut rng)).collect();
        self.on_site = sample.into_iter().map(|pile| self.visit(pile, after, &mut rng)).collect();
        Ok(())
    }

    /// Which piles have a charge with the vehicle's own value.
    pub fn compared(&self) -> Vec<bool> {
        let mut compared = vec![false; self.piles.len()];
        for charge in self.charges.iter().filter(|charge| charge.energy_vehicle_wh.is_some()) {
            compared[charge.pile] = true;
        }
        compared
    }

    fn visit(&self, pile: usize, at: Timestamp, rng: &mut ChaCha8Rng) -> OnSite {
        let expanded_percent = self.settings.on_site_expanded_percent;
        let truth = self.error_on(pile, if at < self.start { -1.0 } else { f64::from(self.days) });
        let found = 100.0 * truth + 0.5 * expanded_percent * normal(rng);
        OnSite { pile, at, error_percent: (found * 1e4).round() / 1e4, expanded_percent }
    }
}

/// The first so many piles.
fn enough(piles: &[usize], wanted: usize, what: &str) -> Result<Vec<usize>, WorldError> {
    match piles.get(..wanted) {
        Some(piles) => Ok(piles.to_vec()),
        None => Err(WorldError::Settings(format!(
            "{what} ({wanted} of {most}); name at most {most}, or more piles",
            most = piles.len()
        ))),
    }
}
