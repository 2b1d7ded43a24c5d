//! Connected components of who was compared with whom.

/// Disjoint sets of 0..n, joined pair by pair.
#[derive(Debug, Clone)]
pub struct DisjointSets {
    parent: Vec<usize>,
}

impl DisjointSets {
    /// Every element alone.
    pub fn new(elements: usize) -> Self {
        Self { parent: (0..elements).collect() }
    }

    /// Joins the sets of two elements. The smaller root stays, so that numbering does not depend on the order of joins.
    pub fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        let (low, high) = if a < b { (a, b) } else { (b, a) };
        self.parent[high] = low;
    }

    /// The least element of an element's set.
    pub fn root(&mut self, element: usize) -> usize {
        let mut at = element;
        while self.parent[at] != at {
            self.parent[at] = self.parent[self.parent[at]];
            at = self.parent[at];
        }
        at
    }

    /// The set of every element, sets numbered in the order of their first elements; and how many there are.
    pub fn numbered(&mut self) -> (Vec<usize>, usize) {
        let mut number = vec![usize::MAX; self.parent.len()];
        let mut count = 0;
        let numbers = (0..self.parent.len())
            .map(|element| {
                let root = self.root(element);
                if number[root] == usize::MAX {
                    number[root] = count;
                    count += 1;
                }
                number[root]
            })
            .collect();
        (numbers, count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_elements_share_their_least() {
        let mut sets = DisjointSets::new(6);
        sets.join(4, 5);
        sets.join(5, 1);
        sets.join(2, 3);
        let roots: Vec<_> = (0..6).map(|element| sets.root(element)).collect();
        assert_eq!(roots, [0, 1, 2, 2, 1, 1]);
        sets.join(0, 3);
        assert_eq!(sets.numbered(), (vec![0, 1, 0, 0, 1, 1], 2));
    }
}
