package study

import (
	"errors"
	"fmt"

	"lsat/strategy"
)

// Errors that callers branch on.
var (
	// ErrUnusable means that a part which the study needs is empty, or holds samples of one class only.
	ErrUnusable = errors.New("unusable part")
	// ErrLocked means that another process works on the run directory.
	ErrLocked = errors.New("run directory in use")
)

// step is one cell of the table: a strategy, updated with one period and tested on the next.
type step struct {
	update   int
	strategy strategy.Strategy
	combo    strategy.Combination
}

func (s step) test() int { return s.update + 1 }

// plan lists the steps in the order of time, and the strategies in the order of the configuration within one update.
func plan(c Config) ([]step, error) {
	var steps []step
	for test := c.Periods.First; test <= c.Periods.Last; test++ {
		for _, name := range c.Strategies {
			if p := c.limit(name); test < p.First || test > p.Last {
				continue
			}
			s, err := strategy.New(name, c.strategyOptions())
			if err != nil {
				return nil, err
			}
			combo, err := s.At(test - 1)
			if err != nil {
				return nil, err
			}
			for _, j := range combo.Jobs() {
				if j.Newest() >= test { // a strategy that looks ahead is a bug here, not a setting
					return nil, fmt.Errorf("study: %s needs period %d (job %s) to serve period %d", name, j.Newest(), j.ID(), test)
				}
			}
			steps = append(steps, step{update: test - 1, strategy: s, combo: combo})
		}
	}
	return steps, nil
}

// checkParts refuses a study in which some part cannot be trained or judged on, before anything is trained.
func checkParts(c Config, l *lister, steps []step) error {
	if n := len(l.stream.Periods); c.Periods.Last >= n {
		return fmt.Errorf("study: test period %d asked for, but the stream has periods 0-%d", c.Periods.Last, n-1)
	}
	for _, s := range steps {
		for _, j := range s.combo.Jobs() {
			if err := l.usable(l.train(j), 0); err != nil {
				return fmt.Errorf("study: training part of job %s: %w", j.ID(), err)
			}
			if err := l.usable(l.valid(j.Valid), 1); err != nil {
				return fmt.Errorf("study: validation part of period %d: %w", j.Valid, err)
			}
		}
		if err := l.usable(l.valid(s.combo.Valid), 1); err != nil {
			return fmt.Errorf("study: validation part of period %d: %w", s.combo.Valid, err)
		}
		// DeLong's variance needs two samples of each class.
		if err := l.usable(l.test(s.test()), 2); err != nil {
			return fmt.Errorf("study: test period %d: %w", s.test(), err)
		}
	}
	return nil
}

// usable wants at least one sample, and at least each samples of both classes.
func (l *lister) usable(list *sampleList, each int) error {
	if list.size == 0 {
		return fmt.Errorf("%w: it has no samples; use fewer periods or a larger valid_fraction", ErrUnusable)
	}
	liked := list.liked
	if other := list.size - liked; liked < each || other < each {
		return fmt.Errorf("%w: of its %d samples %d are liked and %d are not, so it has no AUC; use fewer periods, higher caps, or another threshold than %v",
			ErrUnusable, list.size, liked, other, l.stream.Options.Threshold)
	}
	return nil
}
