package adapter

import (
	"fmt"
	"slices"
	"strings"
)

// The kinds of Combination.
const (
	// Single serves one adapter.
	Single = "single"
	// Ensemble averages the probabilities of two adapters (LSAT-EN).
	Ensemble = "ensemble"
	// Paper, PEFT and Exact fuse two adapters into one: FusePaper (LSAT-TA), FusePEFT, FuseExact.
	Paper = "fuse-paper"
	PEFT  = "fuse-peft"
	Exact = "fuse-exact"
)

var kinds = []string{Single, Ensemble, Paper, PEFT, Exact}

// Combination says how a long-term and a short-term adapter serve together.
type Combination struct {
	// Kind is "single", "ensemble", "fuse-paper", "fuse-peft" or "fuse-exact".
	Kind string `json:"kind"`
	// Weight of the long-term adapter, 0 to 1; the short-term one has the rest. Single ignores it.
	Weight float64 `json:"weight"`
	// Rank truncates the result of fuse-exact. 0 keeps the sum of both ranks.
	Rank int `json:"rank,omitempty"`
}

// Validate says what is wrong with a combination.
func (c Combination) Validate() error {
	switch {
	case !slices.Contains(kinds, c.Kind):
		return fmt.Errorf("adapter: unknown combination %q (known: %s)", c.Kind, strings.Join(kinds, ", "))
	case !(c.Weight >= 0 && c.Weight <= 1):
		return fmt.Errorf("adapter: %s: weight %v is not in [0, 1]", c.Kind, c.Weight)
	case c.Rank < 0 || c.Rank > maxRank:
		return fmt.Errorf("adapter: %s: rank %d is not in 0 to %d", c.Kind, c.Rank, maxRank)
	case c.Rank != 0 && c.Kind != Exact:
		return fmt.Errorf("adapter: %s: only %s can be truncated, rank %d is given", c.Kind, Exact, c.Rank)
	}
	return nil
}

// Fuses says whether the combination makes one adapter of two.
func (c Combination) Fuses() bool { return c.Kind == Paper || c.Kind == PEFT || c.Kind == Exact }

// Fuse makes the one adapter that a fusing combination serves. The report is nil unless fuse-exact was truncated.
func (c Combination) Fuse(long, short *Adapter) (*Adapter, *Truncation, error) {
	if err := c.Validate(); err != nil {
		return nil, nil, err
	}
	if long == nil || short == nil {
		return nil, nil, fmt.Errorf("adapter: %s needs a long-term and a short-term adapter", c.Kind)
	}
	both, weights := []*Adapter{long, short}, []float64{c.Weight, 1 - c.Weight}
	switch c.Kind {
	case Paper:
		a, err := FusePaper(long, short, c.Weight)
		return a, nil, err
	case PEFT:
		a, err := FusePEFT(both, weights)
		return a, nil, err
	case Exact:
		a, err := FuseExact(both, weights)
		if err != nil || c.Rank == 0 {
			return a, nil, err
		}
		return Truncate(a, c.Rank)
	}
	return nil, nil, fmt.Errorf("adapter: %s does not fuse adapters", c.Kind)
}

// Combine is Combination.Fuse for a kind, the long adapter's weight w and a rank (0: the sum of both; fuse-exact only).
func Combine(kind string, long, short *Adapter, w float64, rank int) (*Adapter, error) {
	a, _, err := Combination{Kind: kind, Weight: w, Rank: rank}.Fuse(long, short)
	return a, err
}
