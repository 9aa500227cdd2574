// Package study runs a whole rolling comparison: every strategy, over every test period, with every seed, as jobs that are pure
// functions of their specs. A run directory holds the jobs' adapters (jobs/), scores (scores/) and results (results.sqlite, described in
// schema.sql). A study that is interrupted, in whatever way, goes on where it stopped when it is run again on the same directory.
package study

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/gomlx/compute"

	"lsat/baseline"
	"lsat/engine"
	"lsat/metric"
	"lsat/period"
	"lsat/prompt"
	"lsat/recommender"
	"lsat/strategy"
	"lsat/train"
)

// Inputs are what a study needs open.
type Inputs struct {
	Stream   *period.Stream
	Template prompt.Template
	Runner   engine.Runner
	// Open, if given, opens Template and Runner. It is called once the run directory is locked and the stream has passed its audit, since a
	// model takes long to load.
	Open func(context.Context) (prompt.Template, engine.Runner, error)
	// Backend, if given, is what the conventional recommenders compute on. It is called after Open, and only where one of them is a reference or the
	// prior.
	Backend func() (compute.Backend, error)
	// Train runs one job. Default train.Run.
	Train TrainFunc
	// Events, if given, is told of progress, from the goroutine that runs the study.
	Events func(Event)
}

type executor struct {
	c     Config
	in    Inputs
	dir   string
	lists *lister
	store *store
	meter *meter
	// jobs holds the adapters of finished jobs by name, scored the log-odds by adapter and list, sources the sequences of the lists in use.
	jobs    map[string]kept
	scored  map[string][]float64
	sources map[string]prompt.Source
	// fitted holds the references, the prior among them, by name and served period.
	fitted map[string]baseline.Model
	// priors holds the prior's log-odds by sample.
	priors map[int]float64
	// learners holds those references that learn on, by name.
	learners map[string]*cumulative
	// rated counts the items' ratings before a period began, by period.
	rated map[int][]int32
	// recommenders holds the conventional recommenders by name, tuned the newest models of those that are fine-tuned.
	recommenders map[string]*recommender.Recommender
	tuned        map[string]tuned
	frozen       *frozen
}

// Run runs the study in dir, which is made if it is not there. What an earlier run finished is used again. Errors: ErrLocked where another
// process works in dir, ErrUnusable where a part cannot be trained or judged on (before anything is trained), period.ErrLeak where the
// leakage audit fails, and the context's error when it is cancelled.
func Run(ctx context.Context, dir string, c Config, in Inputs) error {
	if in.Train == nil {
		in.Train = train.Run
	}
	if err := os.MkdirAll(filepath.Join(dir, "jobs"), 0o755); err != nil {
		return fmt.Errorf("study: run directory: %w", err)
	}
	held, err := lock(dir)
	if err != nil {
		return err
	}
	defer func() { _ = held.Unlock() }() // it goes with the process anyway
	x := &executor{
		c: c, in: in, dir: dir, lists: newLister(c, in.Stream), meter: newMeter(in.Events),
		jobs: map[string]kept{}, scored: map[string][]float64{}, sources: map[string]prompt.Source{}, fitted: map[string]baseline.Model{}, priors: map[int]float64{}, learners: map[string]*cumulative{},
		rated:        map[int][]int32{},
		recommenders: map[string]*recommender.Recommender{}, tuned: map[string]tuned{},
	}
	steps, report, err := audit(ctx, c, x.lists)
	if err != nil {
		return err
	}
	refs, err := references(c)
	if err != nil {
		return err
	}
	x.meter.say(report)
	if in.Open != nil {
		if x.in.Template, x.in.Runner, err = in.Open(ctx); err != nil {
			return err
		}
	}
	if x.store, err = openStore(dir); err != nil {
		return err
	}
	x.frozen = newFrozen(c, x.in.Runner, dir)
	err = x.run(ctx, steps, refs, report)
	return errors.Join(err, x.frozen.close(err == nil && !c.KeepHidden), x.store.close())
}

func (x *executor) run(ctx context.Context, steps []step, refs []reference, report string) error {
	if err := x.begin(steps, refs, report); err != nil {
		return err
	}
	x.expect(steps)
	x.meter.say(fmt.Sprintf("%d training jobs, %d table cells", x.countJobs(steps), len(steps)*len(x.c.Seeds)))
	if err := x.references(ctx, refs); err != nil {
		return err
	}
	for _, seed := range x.c.Seeds {
		update := -1
		for _, s := range steps {
			if s.update != update { // another update scores other lists
				update = s.update
				clear(x.sources)
				clear(x.scored)
			}
			if err := x.step(ctx, s, seed); err != nil {
				return err
			}
		}
	}
	return x.comparisons(ctx)
}

func (x *executor) begin(steps []step, refs []reference, report string) error {
	config, err := json.Marshal(x.c)
	if err != nil {
		return fmt.Errorf("study: configuration: %w", err)
	}
	cells := map[string]bool{}
	for _, s := range steps {
		for _, seed := range x.c.Seeds {
			cells[cellName(seed, s.strategy.Name(), s.test())] = true
		}
	}
	for _, r := range refs {
		for t := x.c.Periods.First; t <= x.c.Periods.Last; t++ {
			cells[cellName(0, r.name, t)] = true
		}
	}
	set := x.in.Stream.Set
	return x.store.begin(runRow{
		Config: string(config), Data: set.Name, DataHash: set.Hash, Samples: len(x.in.Stream.Samples), Periods: len(x.in.Stream.Periods),
		Backbone: x.c.Backbone, BackboneHash: x.in.Runner.BackboneHash(), Numerics: x.in.Runner.Numerics(),
		Template: x.in.Template.Name(), TemplateHash: x.in.Template.Hash(), Audit: report, Versus: x.c.CompareTo,
	}, func(seed uint64, name string, t int) bool { return cells[cellName(seed, name, t)] })
}

func cellName(seed uint64, name string, test int) string {
	return fmt.Sprintf("%d/%s/%d", seed, name, test)
}

// expect plans the work, so that the time left can be told.
func (x *executor) expect(steps []step) {
	for _, seed := range x.c.Seeds {
		for _, s := range steps {
			for _, j := range s.combo.Jobs() {
				h := x.c.Hyper.Long
				if j.Update {
					h = x.c.Hyper.Update
				}
				n := float64(max(1, h.Epochs) * x.lists.train(j).size)
				x.meter.expect(jobName(seed, j), x.frozen.cost()*(trainCost*n+float64(x.lists.valid(j.Valid).size)))
				x.expectFrozen(x.lists.train(j))
				x.expectFrozen(x.lists.valid(j.Valid))
				if j.OnPrior {
					x.expectBare(x.lists.train(j))
				}
			}
			x.expectScores(s, seed)
		}
	}
}

func (x *executor) countJobs(steps []step) int {
	names := map[string]bool{}
	for _, s := range steps {
		for _, j := range s.combo.Jobs() {
			names[j.ID()] = true
		}
	}
	return len(names) * len(x.c.Seeds)
}

// step fills one cell.
func (x *executor) step(ctx context.Context, s step, seed uint64) error {
	o, err := x.outcome(ctx, s, seed)
	if err != nil {
		return err
	}
	c := cell{
		Seed: seed, Strategy: s.strategy.Name(), Role: "strategy", Period: s.test(), Update: s.update, Kind: string(s.combo.Kind),
		Keys: o.keys, Weight: o.weight, Coefficients: o.coefficients, Curve: o.curve, ValidAUC: o.validAUC, samples: x.lists.test(s.test()).samples(), odds: o.test,
	}
	if err := x.store.cell(x.in.Stream, c); err != nil {
		return err
	}
	auc, err := metric.AUC(o.test, labelsOf(x.in.Stream, c.samples))
	if err != nil {
		return fmt.Errorf("study: %s on period %d: %w", c.Strategy, c.Period, err)
	}
	text := fmt.Sprintf("%s, updated with D%d, on D%d%s: AUC %.4f (validation %.4f)", c.Strategy, s.update, s.test(), x.seedText(seed), auc, o.validAUC)
	switch s.combo.Kind {
	case strategy.Bare, strategy.Single:
	case strategy.Stack:
		text += ", " + CoefficientsText(o.coefficients)
	default:
		text += fmt.Sprintf(", weight of the long-term part %.1f", o.weight)
	}
	x.meter.say(text)
	return nil
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
