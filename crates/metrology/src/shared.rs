//! Work shared between threads without a trace of it in the result: pieces are cut by the caller, whatever the number of processors,
//! and results come back in the pieces' order.
//!
//! Used by [`crate::cholesky`] and [`crate::comparison`], and by `assessment` for its signals. It never decides how large a piece is: sums must not depend on the machine.

use std::thread;

/// Does every piece of work, in as many threads as there are processors.
pub fn shared<P: Sync, R: Send>(pieces: &[P], work: impl Fn(&P) -> R + Sync) -> Vec<R> {
    let threads = thread::available_parallelism().map_or(1, usize::from).min(pieces.len());
    if threads < 2 {
        return pieces.iter().map(work).collect();
    }
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let work = &work;
        let workers: Vec<_> = (0..threads)
            .map(|thread| {
                let mine = pieces.iter().enumerate().skip(thread).step_by(threads);
                scope.spawn(move || mine.map(|(at, piece)| (at, work(piece))).collect::<Vec<_>>())
            })
            .collect();
        let results = workers.into_iter().map(thread::ScopedJoinHandle::join);
        results.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, result)| result).collect()
}
