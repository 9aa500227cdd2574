package study

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lsat/baseline"
	"lsat/metric"
	"lsat/recommender"
)

// reference is an honest baseline, or a conventional recommender, beside the strategies. It learns from everything up to the update, validation parts
// included and without caps (a recommender stops by D_t's validation part), and is tested on the strategies' samples.
type reference struct {
	name string
	// newest learns from D_t alone instead of D_0 … D_t.
	newest bool
	model  baseline.Baseline
	// recommender is a name of package recommender, or empty; finetune trains it further on each period instead of anew on all.
	recommender string
	finetune    bool
	// parts are the references that a sum adds up; nil elsewhere.
	parts []reference
}

// baselines are the references by name that count.
var baselines = map[string]baseline.Baseline{"means": baseline.Means{}, "history": baseline.History{}, "counts": baseline.Counts{}, "counts-memory": baseline.Counts{Memory: 100}}

// newReference makes a reference by name.
func newReference(name string) (reference, error) {
	if strings.Contains(name, "+") {
		return blendOf(name)
	}
	base, newest := strings.CutSuffix(name, "-newest")
	if m, ok := baselines[base]; ok {
		return reference{name: name, newest: newest, model: m}, nil
	}
	base, finetune := strings.CutSuffix(name, "-finetune")
	if slices.Contains(recommender.Names(), base) {
		return reference{name: name, recommender: base, finetune: finetune}, nil
	}
	return reference{}, fmt.Errorf("unknown baseline %q: there are %s, each also with -newest for D_t alone, and %s, each also with -finetune; sums are written with +",
		name, strings.Join(sortedKeys(baselines), ", "), strings.Join(recommender.Names(), ", "))
}

// references makes the baselines that the configuration names.
func references(c Config) ([]reference, error) {
	var out []reference
	for _, name := range c.References {
		r, err := newReference(name)
		if err != nil {
			return nil, keyError("references", "%s", err)
		}
		out = append(out, r)
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
			m, err := x.fit(ctx, r, test)
			if err != nil {
				return fail(err)
			}
			odds, err := m.Score(s, list.samples())
			if err != nil {
				return fail(err)
			}
			c := cell{Strategy: r.name, Role: "reference", Period: test, Update: test - 1, Kind: "baseline", Weight: notWeighed, ValidAUC: notWeighed,
				samples: list.samples(), odds: odds}
			said := ""
			if b, ok := m.(blend); ok {
				c.Coefficients = b.sum.coefficients
				said = ", " + CoefficientsText(c.Coefficients)
			}
			if err := x.store.cell(s, c); err != nil {
				return err
			}
			auc, err := metric.AUC(odds, labelsOf(s, list.samples()))
			if err != nil {
				return fail(err)
			}
			x.meter.say(fmt.Sprintf("%s, on D%d: AUC %.4f%s", r.name, test, auc, said))
		}
	}
	return nil
}

// AboutReference defines a reference in one sentence.
func AboutReference(name string) string {
	r, err := newReference(name)
	switch {
	case err != nil:
		return name
	case r.parts != nil:
		return "log-odds of " + strings.ReplaceAll(name, "+", ", ") + " added up, with coefficients fitted on what they served, no language model"
	case r.finetune:
		return recommender.Title(r.recommender) + ", trained further on each D_t, no language model"
	case r.recommender != "":
		return recommender.Title(r.recommender) + ", retrained on D_0 … D_t, no language model"
	case name == "history": // it learns from no period
		return r.model.Name() + ", no language model"
	case r.newest:
		return r.model.Name() + " of D_t alone, no language model"
	}
	return r.model.Name() + " of D_0 … D_t, no language model"
}
