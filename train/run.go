package train

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"lsat/adapter"
	"lsat/engine"
	"lsat/internal/atomicfile"
	"lsat/metric"
	"lsat/prompt"
)

// ErrNoSamples says that a job has nothing to train on.
var ErrNoSamples = errors.New("no training samples")

// checkpointEvery is how much work a kill may cost at most. It does not touch results: a job resumes at a step it has been at.
const checkpointEvery = 20 * time.Second

func run(ctx context.Context, spec Spec, runner engine.Runner, data Data, init *adapter.Adapter, dir string, events func(Event)) (*Result, error) {
	if err := spec.Hyper.Validate(); err != nil {
		return nil, err
	}
	if r, err := Load(dir, spec); err == nil {
		return r, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	j := &job{spec: spec, hyper: spec.Hyper.WithDefaults(), runner: runner, data: data, dir: dir, events: events, began: time.Now()}
	if j.events == nil {
		j.events = func(Event) {}
	}
	if err := j.prepare(ctx, init); err != nil {
		return nil, err
	}
	err := j.loop(ctx)
	if err != nil {
		if ctx.Err() != nil { // an orderly stop loses nothing
			err = errors.Join(err, j.save())
		}
		return nil, err
	}
	return j.finish()
}

// job is a run in progress.
type job struct {
	spec    Spec
	hyper   Hyper
	runner  engine.Runner
	data    Data
	dir     string
	events  func(Event)
	began   time.Time
	saved   time.Time
	adapter *adapter.Adapter
	plan    plan
	state   state
}

func (j *job) prepare(ctx context.Context, init *adapter.Adapter) error {
	if (init != nil) != (j.spec.Init != "") {
		return fmt.Errorf("train: job %.12s: the spec says init %q, the adapter given disagrees", j.spec.Key(), j.spec.Init)
	}
	if init != nil {
		j.adapter = init.Clone()
	} else {
		a, err := adapter.New(j.spec.Adapter, j.runner.AdapterShapes(), j.spec.Seed)
		if err != nil {
			return fmt.Errorf("train: %w", err)
		}
		j.adapter = a
	}
	var err error
	if j.plan, err = newPlan(j.runner, j.data.Train, j.hyper, j.spec.Seed); err != nil {
		return fmt.Errorf("train: job %.12s (%s): %w", j.spec.Key(), j.spec.Train.Name, err)
	}
	if j.plan.steps == 0 {
		return fmt.Errorf("train: job %.12s (%s): %w", j.spec.Key(), j.spec.Train.Name, ErrNoSamples)
	}
	st, err := readState(j.checkpoint(), j.spec.Key(), j.adapter.NumParameters())
	switch {
	case err == nil:
		j.state = st
		return j.adapter.SetFlat(st.params)
	case !errors.Is(err, os.ErrNotExist):
		return err
	}
	j.state = newState(j.adapter.Flatten())
	if j.validated() {
		auc, err := j.validate(ctx)
		if err != nil {
			return err
		}
		j.state.initAUC = auc
	}
	j.saved = time.Now()
	return nil
}

func (j *job) loop(ctx context.Context) error {
	s := &j.state
	if s.pendingLook {
		e := j.event()
		if err := j.look(ctx, &e); err != nil {
			return err
		}
		s.pendingLook = false
		j.events(e)
	}
	grad := make([]float32, len(s.params))
	for s.step < j.plan.steps && !s.stopped {
		batch, err := j.plan.batch(s.step)
		if err != nil {
			return fmt.Errorf("train: step %d: %w", s.step+1, err)
		}
		clear(grad)
		loss, err := j.runner.Gradient(ctx, batch.sequences, j.data.Answers, j.adapter, j.adapter.Config.DropoutRate(), j.dropSeed(), grad)
		if err != nil {
			return fmt.Errorf("train: step %d: %w", s.step+1, err)
		}
		scale := 1 / float64(batch.targets)
		for i := range grad {
			grad[i] = float32(float64(grad[i]) * scale)
		}
		j.hyper.step(s, grad, j.plan.steps)
		if err := j.adapter.SetFlat(s.params); err != nil {
			return err
		}
		s.step++
		s.losses = append(s.losses, loss*scale)
		e := j.event()
		if err := j.look(ctx, &e); err != nil {
			// The step itself is done; only its look at the validation part is not.
			s.pendingLook = true
			return err
		}
		j.events(e)
		if time.Since(j.saved) > checkpointEvery {
			if err := j.save(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (j *job) event() Event {
	s := &j.state
	return Event{Step: s.step, Steps: j.plan.steps, Targets: j.plan.seen(s.step), TotalTargets: j.plan.targets, Loss: s.losses[s.step-1]}
}

// look evaluates on the validation part where the step is one to look after, and keeps the best adapter.
func (j *job) look(ctx context.Context, e *Event) error {
	s := &j.state
	due := s.step == j.plan.steps || j.plan.endsEpoch(s.step)
	if j.hyper.EvalEvery > 0 {
		due = s.step == j.plan.steps || s.step%j.hyper.EvalEvery == 0
	}
	if !due {
		return nil
	}
	if !j.validated() {
		s.keep(0)
		return nil
	}
	auc, err := j.validate(ctx)
	if err != nil {
		return err
	}
	e.Evaluated, e.ValidAUC = true, auc
	if s.looks++; s.best == nil || auc > s.bestAUC {
		s.keep(auc)
		return nil
	}
	s.stopped = s.looks-s.bestLook >= j.hyper.Patience
	return nil
}

// validChunk is how many sequences of the validation part are in memory at once.
const validChunk = 2048

func (j *job) validated() bool { return j.data.Valid != nil && j.data.Valid.Len() > 0 }

func (j *job) validate(ctx context.Context) (float64, error) {
	var flat []float64
	var labels []bool
	for lo := 0; lo < j.data.Valid.Len(); lo += validChunk {
		seqs, err := prompt.Read(j.data.Valid, lo, min(lo+validChunk, j.data.Valid.Len()))
		if err != nil {
			return 0, fmt.Errorf("train: validation part %s: %w", j.spec.Valid.Name, err)
		}
		scores, err := j.runner.Score(ctx, seqs, j.data.Answers, j.adapter, nil)
		if err != nil {
			return 0, fmt.Errorf("train: validating: %w", err)
		}
		for i, row := range scores {
			for k, t := range seqs[i].Targets {
				flat = append(flat, row[k]+float64(t.Offset))
				labels = append(labels, t.Label)
			}
		}
	}
	auc, err := metric.AUC(flat, labels)
	if err != nil {
		return 0, fmt.Errorf("train: validation part %s: %w", j.spec.Valid.Name, err)
	}
	return auc, nil
}

// dropSeed is never 0, which would mean no dropout.
func (j *job) dropSeed() uint64 {
	return mix(j.spec.Seed, uint64(j.state.step)) | 1
}

func (j *job) checkpoint() string { return filepath.Join(j.dir, "checkpoint") }

func (j *job) save() error {
	j.state.seconds += time.Since(j.began).Seconds()
	j.began, j.saved = time.Now(), time.Now()
	return writeState(j.checkpoint(), j.spec.Key(), j.state)
}

func (j *job) finish() (*Result, error) {
	s := &j.state
	if err := j.adapter.SetFlat(s.best); err != nil {
		return nil, err
	}
	r := &Result{Spec: j.spec, Adapter: j.adapter, ValidAUC: s.bestAUC, InitAUC: s.initAUC, BestStep: s.bestStep, Steps: s.step,
		Losses: s.losses, Seconds: s.seconds + time.Since(j.began).Seconds()}
	if err := adapter.Replace(j.adapterDir(), j.adapter); err != nil {
		return nil, fmt.Errorf("train: storing the adapter: %w", err)
	}
	if err := writeJSON(filepath.Join(j.dir, jobFile), r); err != nil {
		return nil, err
	}
	_ = os.Remove(j.checkpoint()) // the finished job no longer needs it; a leftover is harmless
	return r, nil
}

const jobFile = "job.json"

func (j *job) adapterDir() string { return filepath.Join(j.dir, "adapter") }

// Load reads a finished job back. Its error wraps os.ErrNotExist where the job is not finished.
func Load(dir string, spec Spec) (*Result, error) {
	text, err := os.ReadFile(filepath.Join(dir, jobFile))
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	var r Result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, fmt.Errorf("train: %s is damaged (remove the directory to train again): %w", filepath.Join(dir, jobFile), err)
	}
	if r.Spec.Key() != spec.Key() {
		return nil, fmt.Errorf("train: %s belongs to another job (%.12s, wanted %.12s)", dir, r.Spec.Key(), spec.Key())
	}
	if r.Adapter, err = adapter.Read(filepath.Join(dir, "adapter")); err != nil {
		return nil, fmt.Errorf("train: finished job %.12s (remove %s to train again): %w", spec.Key(), dir, err)
	}
	return &r, nil
}

func writeJSON(path string, v any) error {
	err := atomicfile.Write(path, 0o644, func(w io.Writer) error {
		enc := json.NewEncoder(w)
		enc.SetIndent("", " ")
		return enc.Encode(v)
	})
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}
