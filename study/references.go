package study

import (
	"context"
	"fmt"
	"strings"

	"lsat/baseline"
	"lsat/metric"
)

// reference is an honest baseline beside the strategies. It learns from everything up to the update, validation parts included and
// without caps, and is tested on the strategies' samples.
type reference struct {
	name string
	// newest learns from D_t alone instead of D_0 … D_t.
	newest bool
	model  baseline.Baseline
}

// baselines are the references by name.
var baselines = map[string]baseline.Baseline{"means": baseline.Means{}, "history": baseline.History{}, "counts": baseline.Counts{}}

// references makes the baselines that the configuration names.
func references(c Config) ([]reference, error) {
	var out []reference
	for _, name := range c.References {
		base, newest := strings.CutSuffix(name, "-newest")
		m, ok := baselines[base]
		if !ok {
			known := sortedKeys(baselines)
			return nil, keyError("references", "unknown baseline %q: there are %s, each also with -newest for D_t alone", name, strings.Join(known, ", "))
		}
		out = append(out, reference{name: name, newest: newest, model: m})
	}
	return out, nil
}

// references fills the references' cells.
func (x *executor) references(ctx context.Context, refs []reference) error {
	s := x.in.Stream
	for _, r := range refs {
		for test := x.c.Periods.First; test <= x.c.Periods.Last; test++ {
			if err := ctx.Err(); err != nil {
				return err
			}
			fail := func(err error) error { return fmt.Errorf("study: reference %s on period %d: %w", r.name, test, err) }
			list := x.lists.test(test)
			m, err := x.fit(r, test)
			if err != nil {
				return fail(err)
			}
			odds, err := m.Score(s, list.samples())
			if err != nil {
				return fail(err)
			}
			c := cell{Strategy: r.name, Role: "reference", Period: test, Update: test - 1, Kind: "baseline", Weight: notWeighed, ValidAUC: notWeighed,
				samples: list.samples(), odds: odds}
			if err := x.store.cell(s, c); err != nil {
				return err
			}
			auc, err := metric.AUC(odds, labelsOf(s, list.samples()))
			if err != nil {
				return fail(err)
			}
			x.meter.say(fmt.Sprintf("%s, on D%d: AUC %.4f", r.name, test, auc))
		}
	}
	return nil
}

// AboutReference defines a reference in one sentence.
func AboutReference(name string) string {
	base, newest := strings.CutSuffix(name, "-newest")
	b, ok := baselines[base]
	if !ok {
		return name
	}
	if base == "history" { // it learns from no period
		return b.Name() + ", no language model"
	}
	if newest {
		return b.Name() + " of D_t alone, no language model"
	}
	return b.Name() + " of D_0 … D_t, no language model"
}
