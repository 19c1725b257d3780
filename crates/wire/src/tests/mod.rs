//! Promises that hold for every request and version.

pub(crate) mod sample;

use crate::Request;
use sample::Sample;

/// Code that is run for every request.
pub(crate) trait Visitor {
    fn visit<R: Request<Response: Sample> + Sample>(&mut self);
}

mod differential;
mod golden;
mod hostile;
mod round_trip;
mod versions;
