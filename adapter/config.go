package adapter

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// modules are the projections that can be adapted, in the canonical order of every flat view.
var modules = []string{"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}

// maxRank and maxDim bound what a file or a configuration may ask memory for; both are far above any real model.
const (
	maxRank  = 1 << 14
	maxDim   = 1 << 24
	maxLayer = 1 << 14
)

// Modules returns the projections that can be adapted, in canonical order.
func Modules() []string { return slices.Clone(modules) }

// WithDefaults returns the configuration with every default filled in and the modules in canonical order.
func (c Config) WithDefaults() Config {
	if c.Rank == 0 {
		c.Rank = 8
	}
	if c.Alpha == 0 {
		c.Alpha = 16
	}
	if c.Dropout == 0 {
		c.Dropout = .05
	}
	if c.Dropout < 0 {
		c.Dropout = -1
	}
	if len(c.Modules) == 0 {
		c.Modules = []string{"q_proj", "v_proj"}
	}
	c.Modules = slices.Clone(c.Modules)
	slices.SortStableFunc(c.Modules, func(a, b string) int { return moduleIndex(a) - moduleIndex(b) })
	return c
}

// Validate says what is wrong with a configuration; zero values mean their defaults and are right.
func (c Config) Validate() error {
	c = c.WithDefaults()
	switch {
	case c.Rank < 1 || c.Rank > maxRank:
		return fmt.Errorf("adapter: rank %d is not in 1 to %d", c.Rank, maxRank)
	case !(c.Alpha > 0) || math.IsInf(c.Alpha, 0):
		return fmt.Errorf("adapter: alpha %v is not a positive number", c.Alpha)
	case math.IsNaN(c.Dropout) || c.Dropout >= 1:
		return fmt.Errorf("adapter: dropout %v is not below 1", c.Dropout)
	case c.TopLayers < 0:
		return fmt.Errorf("adapter: top_layers %d is negative", c.TopLayers)
	}
	for i, m := range c.Modules {
		if moduleIndex(m) == len(modules) {
			return fmt.Errorf("adapter: unknown module %q (known: %s)", m, strings.Join(modules, ", "))
		}
		if slices.Contains(c.Modules[:i], m) {
			return fmt.Errorf("adapter: module %s is named twice", m)
		}
	}
	return nil
}

// Scale is what the product B A is multiplied by: alpha/r, or alpha/sqrt(r) with rsLoRA.
func (c Config) Scale() float64 {
	c = c.WithDefaults()
	if c.RSLoRA {
		return c.Alpha / math.Sqrt(float64(c.Rank))
	}
	return c.Alpha / float64(c.Rank)
}

// DropoutRate is the probability of dropping an input of A, in [0, 1): Dropout with its default, and 0 where that is negative.
func (c Config) DropoutRate() float64 { return max(0, c.WithDefaults().Dropout) }

// moduleIndex is a module's place in the canonical order; unknown ones come last.
func moduleIndex(m string) int {
	if i := slices.Index(modules, m); i >= 0 {
		return i
	}
	return len(modules)
}

// compare orders keys by layer, then by module.
func (k Key) compare(o Key) int {
	if k.Layer != o.Layer {
		return k.Layer - o.Layer
	}
	if d := moduleIndex(k.Module) - moduleIndex(o.Module); d != 0 {
		return d
	}
	return strings.Compare(k.Module, o.Module)
}

func (k Key) String() string { return fmt.Sprintf("layer %d %s", k.Layer, k.Module) }
