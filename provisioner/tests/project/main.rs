//! What the project's own sources and files must hold, in one program: each would link AWS's clients anew.

mod actions;
mod back_door;
mod endpoints;
mod facts;
mod folders;
mod layers;
mod paths;
mod sources;
mod workspace;
