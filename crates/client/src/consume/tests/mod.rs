//! Reading and membership under every kind of answer.
