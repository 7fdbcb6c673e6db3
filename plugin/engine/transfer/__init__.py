"""The paper: Gatys, Ecker and Bethge 2016, the objective and its minimisation, coarse to fine."""
