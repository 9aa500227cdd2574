// Package strategy says how a recommender is kept up to date: for every period, which adapters are trained on what and how
// they are combined to serve the next period. A strategy trains nothing itself. It names jobs in terms of periods; equal jobs
// of different strategies are trained once.
package strategy

import (
	"errors"
	"fmt"
	"sort"
	"strconv"
	"strings"

	"lsat/adapter"
)

// ErrUnknown is wrapped by New's error for a name that is no strategy.
var ErrUnknown = errors.New("unknown strategy")

// ErrTooEarly is wrapped by At's error where a strategy needs periods that are not over at the asked update.
var ErrTooEarly = errors.New("too early")

// Options are what all strategies of a study have in common.
type Options struct {
	// First is the period (counted from 0) of the study's first update; its model serves period First+1.
	First int
	// LongPeriods is how many periods, from period 0, the frozen long-term adapter is trained on. Default 10 (the paper's).
	LongPeriods int
}

// Kind is the way in which the parts of a combination become one recommender.
type Kind string

// The kinds of combination. In all of the two-part kinds the weight w belongs to the long-term part, 1-w to the short-term one.
const (
	// Bare serves the frozen backbone without any adapter.
	Bare Kind = "bare"
	// Single serves one adapter.
	Single Kind = adapter.Single
	// Ensemble serves w*p_long + (1-w)*p_short (LSAT-EN).
	Ensemble Kind = adapter.Ensemble
	// FusePaper serves the elementwise sum of the factors, w*A_long + (1-w)*A_short and the same for B (LSAT-TA).
	FusePaper Kind = adapter.Paper
	// FusePEFT serves PEFT's linear merge of the factors.
	FusePEFT Kind = adapter.PEFT
	// FuseExact serves the exact weighted sum of the two updates, at twice the rank.
	FuseExact Kind = adapter.Exact
	// Stack serves the sum of the log-odds of the prior and of all parts, each with a coefficient, and an intercept.
	Stack Kind = "stack"
)

// Combination is what serves the period after an update.
type Combination struct {
	Kind Kind
	// Parts are the adapters: none for Bare, one for Single, one or two for Stack, and the long-term one, then the short-term one, for
	// the others.
	Parts []*Job
	// Names are the parts' names, "long" or "short", for Stack.
	Names []string
	// Valid is the period whose validation part chooses the weight of a two-part kind. It is always the period of the update.
	Valid int
	// Gated lets the coefficients of Stack vary with features of the sample, as far as Past teaches how.
	Gated bool
	// Past is what the coefficients of Stack are fitted on, and the weight of Ensemble is chosen by, oldest first; where it is empty, that is the
	// validation part of Valid.
	Past []Served
}

// Served is an earlier update's parts, in the order of Combination.Parts, and the period that they served.
type Served struct {
	Parts []*Job
	Test  int
}

// servedBefore are the parts of every update from the first one up to, but not including, t, oldest first.
func servedBefore(first, t int, parts func(update int) ([]*Job, error)) ([]Served, error) {
	var past []Served
	for u := first; u < t; u++ {
		jobs, err := parts(u)
		if err != nil {
			return nil, err
		}
		past = append(past, Served{Parts: jobs, Test: u + 1})
	}
	return past, nil
}

// Jobs lists every job that the combination needs, those it starts from included, in an order in which they can run.
func (c Combination) Jobs() []*Job {
	var out []*Job
	seen := map[string]bool{}
	var add func(*Job)
	add = func(j *Job) {
		if j == nil || seen[j.ID()] {
			return
		}
		add(j.Init)
		seen[j.ID()] = true
		out = append(out, j)
	}
	for _, p := range c.Past {
		for _, j := range p.Parts {
			add(j)
		}
	}
	for _, j := range c.Parts {
		add(j)
	}
	return out
}

// Strategy is one way of keeping a recommender up to date.
type Strategy interface {
	// Name is the strategy's name in configurations and tables.
	Name() string
	// About defines the strategy in one sentence.
	About() string
	// At returns what serves period t+1 after the update with period t. It uses nothing later than period t.
	At(t int) (Combination, error)
}

var makers = map[string]func(Options) Strategy{
	"short":                func(Options) Strategy { return short{} },
	"long":                 func(o Options) Strategy { return long{o.LongPeriods} },
	"finetune":             func(o Options) Strategy { return finetune{o} },
	"full":                 func(Options) Strategy { return full{} },
	"replay":               func(o Options) Strategy { return replay{o} },
	"no-update":            func(o Options) Strategy { return noUpdate{o.First} },
	InContext:              func(Options) Strategy { return inContext{InContext} },
	zeroShotName:           func(Options) Strategy { return inContext{zeroShotName} },
	"lsat-ensemble-full":   func(Options) Strategy { return ensembleFull{} },
	"lsat-ensemble-served": func(o Options) Strategy { return ensembleServed{o} },
	"lsat-fusion":          func(o Options) Strategy { return fusion{"lsat-fusion", FusePaper, o.LongPeriods} },
	"lsat-fusion-peft":     func(o Options) Strategy { return fusion{"lsat-fusion-peft", FusePEFT, o.LongPeriods} },
	"lsat-fusion-exact":    func(o Options) Strategy { return fusion{"lsat-fusion-exact", FuseExact, o.LongPeriods} },
	"lsat-stack":           func(o Options) Strategy { return stack{name: "lsat-stack", long: true, short: true, o: o} },
	"lsat-stack-gated": func(o Options) Strategy {
		return stack{name: "lsat-stack-gated", long: true, short: true, gated: true, o: o}
	},
	"lsat-stack-long":  func(o Options) Strategy { return stack{name: "lsat-stack-long", long: true, o: o} },
	"lsat-stack-short": func(o Options) Strategy { return stack{name: "lsat-stack-short", short: true, o: o} },
}

// numbered are the strategies whose names end with a number of periods.
var numbered = map[string]func(n int) Strategy{
	"lsat-ensemble-": func(n int) Strategy { return ensemble{n} },
	"short-old-":     func(n int) Strategy { return old{n} },
}

// Names lists the strategies. N stands for any number of periods: lsat-ensemble-10 freezes the long-term adapter after ten. Each can be put on
// top of the prior by the suffix OnPrior.
func Names() []string {
	var names []string
	for n := range numbered {
		names = append(names, n+"N")
	}
	for n := range makers {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// New returns the strategy of that name. Its error wraps ErrUnknown.
func New(name string, o Options) (Strategy, error) {
	if o.LongPeriods == 0 {
		o.LongPeriods = 10
	}
	if base, ok := baseName(name); ok && !trainsNothing(base) {
		s, err := New(base, o)
		if err != nil || strings.HasSuffix(base, OnPrior) {
			return nil, fmt.Errorf("%w %q: there are %s, each also with %s", ErrUnknown, name, strings.Join(Names(), ", "), OnPrior)
		}
		return residual{s}, nil
	}
	if m, ok := makers[name]; ok {
		return m(o), nil
	}
	for prefix, maker := range numbered {
		digits, ok := strings.CutPrefix(name, prefix)
		if n, err := strconv.Atoi(digits); ok && err == nil && n >= 1 && strconv.Itoa(n) == digits {
			return maker(n), nil
		}
	}
	return nil, fmt.Errorf("%w %q: there are %s", ErrUnknown, name, strings.Join(Names(), ", "))
}
