package study_test

import (
	"context"
	"errors"
	"testing"

	"lsat/adapter"
	"lsat/engine"
	"lsat/prompt"
	"lsat/train"
)

// bareRunner refuses to be trained or to be scored with an adapter, and counts the sequences that it scores.
type bareRunner struct {
	fakeRunner
	scored int
}

var errAdapter = errors.New("asked with an adapter")

func (r *bareRunner) Score(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, p engine.Progress) ([][]float64, error) {
	if a != nil {
		return nil, errAdapter
	}
	r.scored += len(seqs)
	return r.fakeRunner.Score(ctx, seqs, ans, nil, p)
}

// In-context is the backbone alone on the study's own prompts: no job is trained, no adapter is served, and every score is the backbone's.
func TestInContextIsTheBareBackbone(t *testing.T) {
	t.Parallel()
	c, in := small(t, "strategies=[in-context, zero-shot]", "references=[]")
	r := &bareRunner{}
	in.Runner = r
	in.Train = func(context.Context, train.Spec, engine.Runner, train.Data, *adapter.Adapter, string, func(train.Event)) (*train.Result, error) {
		return nil, errAdapter
	}
	dir := t.TempDir()
	results := run(t, dir, c, in)
	if len(results.Jobs) != 0 {
		t.Errorf("%d jobs were trained", len(results.Jobs))
	}
	want := 0
	for p := 3; p <= 5; p++ {
		want += in.Stream.Periods[p-1].Valid.Len() + in.Stream.Periods[p].All.Len()
		got, _ := oddsOf(t, dir, "in-context", p)
		for k := range got {
			i := in.Stream.Periods[p].All.Lo + k
			seqs, err := in.Template.Sequences(in.Stream, []int{i})
			if err != nil {
				t.Fatal(err)
			}
			if bare := fakeOdds(nil, fakeFeatures(seqs[0])); got[k] != bare {
				t.Fatalf("period %d, sample %d: %v, the backbone says %v", p, i, got[k], bare)
			}
		}
		if a, b := find(t, results, "in-context", p), find(t, results, "zero-shot", p); a.AUC != b.AUC || a.Kind != "bare" {
			t.Errorf("period %d: %v (%s), by the other name %v", p, a.AUC, a.Kind, b.AUC)
		}
	}
	if r.scored != want {
		t.Errorf("%d sequences scored for two names of the same, want %d", r.scored, want)
	}
}
