package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"lsat/adapter"
	"lsat/engine"
	"lsat/prompt"
)

// linear is a runner whose log-odds are a linear function of the adapter's numbers: enough to learn, and exact.
type linear struct {
	calls int
	// stopAt cancels the context in that call of Gradient or Score, counted from 1.
	stopAt int
	cancel context.CancelFunc
	delay  time.Duration
}

func (l *linear) BackboneHash() string { return "linear" }
func (l *linear) Numerics() string     { return "exact" }
func (l *linear) AdapterShapes() map[adapter.Key][2]int {
	return map[adapter.Key][2]int{{Layer: 0, Module: "q_proj"}: {4, 6}, {Layer: 0, Module: "v_proj"}: {4, 6}}
}

func (l *linear) call(ctx context.Context) error {
	l.calls++
	time.Sleep(l.delay)
	if l.calls == l.stopAt {
		l.cancel()
	}
	return ctx.Err()
}

func features(s prompt.Sequence, t prompt.Target, n int) []float64 {
	x := make([]float64, n)
	for k := range x {
		x[k] = math.Sin(float64(s.Tokens[t.Position]+1) * float64(k+1))
	}
	return x
}

func (l *linear) Score(ctx context.Context, seqs []prompt.Sequence, _ prompt.Answers, a *adapter.Adapter, _ engine.Progress) ([][]float64, error) {
	if err := l.call(ctx); err != nil {
		return nil, err
	}
	w := a.Flatten()
	out := make([][]float64, len(seqs))
	for i, s := range seqs {
		for _, t := range s.Targets {
			z := 0.0
			for k, x := range features(s, t, len(w)) {
				z += x * float64(w[k])
			}
			out[i] = append(out[i], z)
		}
	}
	return out, nil
}

func (l *linear) Gradient(ctx context.Context, seqs []prompt.Sequence, ans prompt.Answers, a *adapter.Adapter, dropout float64, seed uint64, grad []float32) (float64, error) {
	scores, err := l.Score(ctx, seqs, ans, a, nil)
	if err != nil {
		return 0, err
	}
	rng := rand.New(rand.NewPCG(seed, 1))
	loss := 0.0
	for i, s := range seqs {
		for j, t := range s.Targets {
			z, y := scores[i][j], 0.0
			if t.Label {
				y = 1
			}
			loss += math.Max(z, 0) - z*y + math.Log1p(math.Exp(-math.Abs(z)))
			d := 1/(1+math.Exp(-z)) - y
			for k, x := range features(s, t, len(grad)) {
				if rng.Float64() >= dropout {
					grad[k] += float32(d * x)
				}
			}
		}
	}
	return loss, nil
}

func linearData(n int) Data {
	rng := rand.New(rand.NewPCG(3, 4))
	make1 := func(n int) []prompt.Sequence {
		var out []prompt.Sequence
		for range n {
			s := prompt.Sequence{}
			for k := range 1 + rng.IntN(5) {
				tok := int32(rng.IntN(40))
				s.Tokens = append(s.Tokens, tok)
				s.Targets = append(s.Targets, prompt.Target{Position: int32(k), Label: rng.Float64() < .1+.8*float64(tok%2)})
			}
			out = append(out, s)
		}
		return out
	}
	return Data{Train: prompt.List(make1(n)), Valid: prompt.List(make1(40))}
}

func linearSpec() Spec {
	return Spec{Backbone: "linear", Numerics: "exact", Train: Slice{Name: "train", Hash: "t"}, Valid: Slice{Name: "valid", Hash: "v"},
		Adapter: adapter.Config{Rank: 2, Dropout: .2}, Hyper: Hyper{LearningRate: .02, Batch: 10, Epochs: 3, EvalEvery: 4}, Seed: 7}
}

// files are the bytes of a finished job, without what a clock puts there.
func files(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, f := range []string{"adapter/adapter_model.safetensors", "adapter/adapter_config.json", "job.json"} {
		data, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range bytes.SplitAfter(data, []byte("\n")) {
			if !bytes.Contains(line, []byte(`"seconds"`)) {
				b.Write(line)
			}
		}
	}
	return b.String()
}

func TestTrainingLearns(t *testing.T) {
	spec := linearSpec()
	spec.Hyper.Epochs = 20
	r, err := Run(context.Background(), spec, &linear{}, linearData(60), nil, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.ValidAUC < .75 || r.ValidAUC <= r.InitAUC {
		t.Errorf("validation AUC %v from %v", r.ValidAUC, r.InitAUC)
	}
	if n := len(r.Losses); n != r.Steps || r.Losses[n-1] >= r.Losses[0] {
		t.Errorf("%d losses of %d steps, first %v, last %v", n, r.Steps, r.Losses[0], r.Losses[n-1])
	}
}

// What is validated is what serves: the model's log-odds on top of the targets' offsets.
func TestValidationCountsTheOffsets(t *testing.T) {
	data := linearData(10)
	for _, part := range []prompt.List{data.Train.(prompt.List), data.Valid.(prompt.List)} {
		for i := range part {
			for k := range part[i].Targets {
				target := &part[i].Targets[k]
				target.Offset = -50 // far more than the model itself can say
				if target.Label {
					target.Offset = 50
				}
			}
		}
	}
	r, err := Run(context.Background(), linearSpec(), &linear{}, data, nil, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if r.InitAUC != 1 || r.ValidAUC != 1 {
		t.Errorf("validation AUC %v, before %v; the offsets know every label", r.ValidAUC, r.InitAUC)
	}
}

// Stopped in any call of the engine and run again, a job ends with the same bytes.
func TestResumesExactlyFromEveryPoint(t *testing.T) {
	spec, data := linearSpec(), linearData(40)
	whole, whole1 := &linear{}, t.TempDir()
	if _, err := Run(context.Background(), spec, whole, data, nil, whole1, nil); err != nil {
		t.Fatal(err)
	}
	want := files(t, whole1)
	for stop := 1; stop <= whole.calls; stop++ {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(context.Background())
		_, err := Run(ctx, spec, &linear{stopAt: stop, cancel: cancel}, data, nil, dir, nil)
		if !errors.Is(err, context.Canceled) {
			t.Fatalf("stopped in call %d: %v", stop, err)
		}
		if _, err := Load(dir, spec); !errors.Is(err, os.ErrNotExist) {
			t.Fatalf("stopped in call %d: the job counts as finished: %v", stop, err)
		}
		again := &linear{}
		if _, err := Run(context.Background(), spec, again, data, nil, dir, nil); err != nil {
			t.Fatal(err)
		}
		if files(t, dir) != want {
			t.Fatalf("stopped in call %d: the resumed job differs", stop)
		}
		if stop > 2 && again.calls >= whole.calls {
			t.Errorf("stopped in call %d: all %d calls were made again", stop, again.calls)
		}
		cancel()
	}
}

// A process killed with SIGKILL, again and again, ends with the bytes of one that was left alone.
func TestSurvivesKill(t *testing.T) {
	if dir := os.Getenv("LSAT_TEST_KILL_DIR"); dir != "" {
		// A checkpoint after every step, so that kills meet the writing of them.
		j := &job{spec: linearSpec(), hyper: linearSpec().Hyper.WithDefaults(), runner: &linear{delay: time.Millisecond}, data: linearData(40), dir: dir,
			events: func(Event) {}, began: time.Now()}
		if err := j.prepare(context.Background(), nil); err != nil {
			t.Fatal(err)
		}
		j.events = func(Event) {
			if err := j.save(); err != nil {
				t.Error(err)
			}
		}
		if err := j.loop(context.Background()); err != nil {
			t.Fatal(err)
		}
		if _, err := j.finish(); err != nil {
			t.Fatal(err)
		}
		return
	}
	alone := t.TempDir()
	if _, err := Run(context.Background(), linearSpec(), &linear{}, linearData(40), nil, alone, nil); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rng := rand.New(rand.NewPCG(1, 1))
	kills := 0
	for {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestSurvivesKill$")
		cmd.Env = append(os.Environ(), "LSAT_TEST_KILL_DIR="+dir)
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- cmd.Wait() }()
		// The longer it takes, the longer a life: the test ends on a machine of any speed.
		select {
		case err := <-done:
			if err != nil {
				t.Fatalf("after %d kills: %v", kills, err)
			}
			if files(t, dir) != files(t, alone) {
				t.Errorf("after %d kills the job differs", kills)
			}
			if kills == 0 {
				t.Skip("SKIPPED: the job ended before it could be killed")
			}
			return
		case <-time.After(time.Duration(20+rng.IntN(40)+10*kills) * time.Millisecond):
			_ = cmd.Process.Kill() // it may just have ended
			<-done
			kills++
		}
	}
}

func TestEarlyStoppingKeepsTheBest(t *testing.T) {
	spec := linearSpec()
	spec.Hyper = Hyper{LearningRate: 5, Batch: 10, Epochs: 30, EvalEvery: 1, Patience: 3} // far too fast: it overshoots
	data := linearData(60)
	best, looks := 0.0, 0
	var since int
	r, err := Run(context.Background(), spec, &linear{}, data, nil, t.TempDir(), func(e Event) {
		if e.Evaluated {
			looks++
			if since++; e.ValidAUC > best {
				best, since = e.ValidAUC, 0
			}
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if since != 3 || r.Steps != looks || r.BestStep != looks-3 {
		t.Errorf("stopped after %d looks, %d without progress, best at %d of %d steps", looks, since, r.BestStep, r.Steps)
	}
	if r.ValidAUC != best {
		t.Errorf("kept %v, the best was %v", r.ValidAUC, best)
	}
	scores, err := (&linear{}).Score(context.Background(), data.Valid.(prompt.List), prompt.Answers{}, r.Adapter, nil)
	if err != nil {
		t.Fatal(err)
	}
	j := &job{runner: &linear{}, data: data, adapter: r.Adapter}
	if auc, err := j.validate(context.Background()); err != nil || auc != best {
		t.Errorf("the kept adapter has AUC %v (%v), want %v; scores %v", auc, err, best, scores[0])
	}
}

func TestFinishedJobIsReadBack(t *testing.T) {
	dir := t.TempDir()
	spec, data := linearSpec(), linearData(20)
	first, err := Run(context.Background(), spec, &linear{}, data, nil, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	none := &linear{}
	second, err := Run(context.Background(), spec, none, data, nil, dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if none.calls != 0 || !second.Adapter.Equal(first.Adapter) || second.ValidAUC != first.ValidAUC {
		t.Errorf("%d calls, equal %v, AUC %v and %v", none.calls, second.Adapter.Equal(first.Adapter), second.ValidAUC, first.ValidAUC)
	}
	other := spec
	other.Seed++
	if _, err := Run(context.Background(), other, none, data, nil, dir, nil); err == nil {
		t.Error("another job's directory is taken")
	}
}

func TestContinuesFromAnAdapter(t *testing.T) {
	spec, data := linearSpec(), linearData(20)
	first, err := Run(context.Background(), spec, &linear{}, data, nil, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	next := spec
	next.Init = spec.Key()
	if _, err := Run(context.Background(), next, &linear{}, data, nil, t.TempDir(), nil); err == nil {
		t.Error("a job with an initial adapter starts without it")
	}
	before := first.Adapter.Clone()
	second, err := Run(context.Background(), next, &linear{}, data, first.Adapter, t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if !first.Adapter.Equal(before) {
		t.Error("the initial adapter was changed")
	}
	if second.InitAUC != first.ValidAUC {
		t.Errorf("starts at AUC %v, the adapter had %v", second.InitAUC, first.ValidAUC)
	}
}

func TestBadJobs(t *testing.T) {
	ctx := context.Background()
	oneClass := linearData(10)
	for i := range oneClass.Valid.Len() {
		for k := range oneClass.Valid.(prompt.List)[i].Targets {
			oneClass.Valid.(prompt.List)[i].Targets[k].Label = true
		}
	}
	wrong := linearSpec()
	wrong.Hyper.Beta1 = 1.5
	unordered := linearSpec()
	unordered.Hyper.Order = "sorted"
	for name, c := range map[string]struct {
		spec Spec
		data Data
		says string
	}{
		"nothing to train on":        {linearSpec(), Data{}, "no training samples"},
		"one class in validation":    {linearSpec(), oneClass, "valid"},
		"impossible hyper-parameter": {wrong, linearData(10), "beta1"},
		"unknown order":              {unordered, linearData(10), "shuffled or prefix"},
	} {
		_, err := Run(ctx, c.spec, &linear{}, c.data, nil, t.TempDir(), nil)
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDamagedCheckpointIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "checkpoint")
	s := newState([]float32{1, 2, 3})
	s.step, s.losses = 2, []float64{.5, .25}
	s.keep(.75)
	if err := writeState(path, "key", s); err != nil {
		t.Fatal(err)
	}
	got, err := readState(path, "key", 3)
	if err != nil || fmt.Sprint(got) != fmt.Sprint(s) {
		t.Fatalf("read back %v (%v), wrote %v", got, err, s)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x40
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readState(path, "key", 3); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("byte %d flipped: %v", i, err)
		}
		if err := os.WriteFile(path, good[:i], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readState(path, "key", 3); !errors.Is(err, ErrCheckpoint) {
			t.Fatalf("cut at %d: %v", i, err)
		}
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readState(path, "other", 3); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("another job's checkpoint: %v", err)
	}
	if _, err := readState(path, "key", 4); !errors.Is(err, ErrCheckpoint) {
		t.Errorf("another adapter's checkpoint: %v", err)
	}
}

// Steps made of rows see every sequence once an epoch, in batches near the size asked for.
type rowRunner struct{ linear }

func (rowRunner) Rows(tokens []int) [][]int {
	var rows [][]int
	for i := 0; i < len(tokens); i += 2 {
		row := []int{i}
		if i+1 < len(tokens) {
			row = append(row, i+1)
		}
		rows = append(rows, row)
	}
	return rows
}

// familyRunner keeps sequences with the same first token together.
type familyRunner struct{ rowRunner }

func (familyRunner) Families(seqs []prompt.Sequence) [][]int {
	byFirst := map[int32][]int{}
	for i, s := range seqs {
		byFirst[s.Tokens[0]] = append(byFirst[s.Tokens[0]], i)
	}
	var out [][]int
	for _, first := range slices.Sorted(maps.Keys(byFirst)) {
		out = append(out, byFirst[first])
	}
	return out
}

// With OrderPrefix an epoch's order is one of whole families, another one in every epoch; without it, and with an engine that has none, sequences are
// shuffled one by one.
func TestOrderOfPrefixesKeepsFamiliesTogether(t *testing.T) {
	data := linearData(60)
	epochs := func(r engine.Runner, order string) (out [][]int32) {
		p, err := newPlan(r, data.Train, Hyper{Batch: 7, Epochs: 2, Order: order}.WithDefaults(), 5)
		if err != nil {
			t.Fatal(err)
		}
		var firsts []int32
		for i := range p.steps {
			b, err := p.batch(i)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range b.sequences {
				firsts = append(firsts, s.Tokens[0])
			}
			if p.endsEpoch(i + 1) {
				out, firsts = append(out, firsts), nil
			}
		}
		return out
	}
	distinct := func(v []int32) int { return len(slices.Compact(slices.Sorted(slices.Values(v)))) }
	together := epochs(&familyRunner{}, OrderPrefix)
	for _, epoch := range together {
		if n := len(slices.Compact(slices.Clone(epoch))); n != distinct(epoch) {
			t.Errorf("%d runs of %d families: %v", n, distinct(epoch), epoch)
		}
	}
	if slices.Equal(together[0], together[1]) {
		t.Error("two epochs have the same order")
	}
	if shuffled := epochs(&familyRunner{}, OrderShuffled)[0]; len(slices.Compact(slices.Clone(shuffled))) <= distinct(shuffled) {
		t.Errorf("families are together in a shuffled order: %v", shuffled)
	}
	if got, want := epochs(&rowRunner{}, OrderPrefix), epochs(&rowRunner{}, OrderShuffled); !slices.EqualFunc(got, want, slices.Equal) {
		t.Error("an engine without families does not shuffle")
	}
}

func TestPlanSeesEverySequenceOncePerEpoch(t *testing.T) {
	data := linearData(51)
	total := 0
	for _, s := range data.Train.(prompt.List) {
		total += len(s.Targets)
	}
	for name, r := range map[string]engine.Runner{"sequences": &linear{}, "rows": &rowRunner{}, "families": &familyRunner{}} {
		p, err := newPlan(r, data.Train, Hyper{Batch: 24, Epochs: 2, Order: map[bool]string{true: OrderPrefix}[name == "families"]}.WithDefaults(), 5)
		if err != nil {
			t.Fatal(err)
		}
		if p.targets != 2*total || p.seen(p.steps) != 2*total {
			t.Errorf("%s: %d targets planned, %d seen, want %d", name, p.targets, p.seen(p.steps), 2*total)
		}
		count := map[string]int{}
		for i := range p.steps {
			b, err := p.batch(i)
			if err != nil {
				t.Fatal(err)
			}
			n := 0
			for _, s := range b.sequences {
				count[fmt.Sprint(s)]++
				n += len(s.Targets)
			}
			if n != b.targets {
				t.Errorf("%s: step %d says %d targets, has %d", name, i, b.targets, n)
			}
			if !p.endsEpoch(i+1) && (n < 12 || n > 40) {
				t.Errorf("%s: step %d has %d targets, asked for 24", name, i, n)
			}
		}
		for s, n := range count {
			if n%2 != 0 {
				t.Errorf("%s: a sequence is seen %d times in two epochs: %s", name, n, s)
			}
		}
	}
}

// One step against the formulas of torch.optim.AdamW's documentation, worked out by hand.
func TestAdamWStep(t *testing.T) {
	h := Hyper{LearningRate: .1, WeightDecay: .5, Clip: -1}.WithDefaults()
	s := newState([]float32{2})
	h.step(&s, []float32{3}, 10)
	// p = 2*(1-.1*.5) - .1*sign, as m/bias1 = g and sqrt(v)/bias2 = |g| in the first step
	if want := 2*.95 - .1*3/(3+1e-8); math.Abs(float64(s.params[0])-want) > 1e-6 {
		t.Errorf("after one step %v, want %v", s.params[0], want)
	}
	h.Warmup = 4
	for step, want := range map[int]float64{0: 0, 2: .05, 4: .1, 7: .05, 9: .1 / 6} {
		if got := h.rate(step, 10); math.Abs(got-want) > 1e-12 {
			t.Errorf("rate of step %d is %v, want %v", step, got, want)
		}
	}
	clipped, free := newState([]float32{0, 0}), newState([]float32{0, 0})
	h = Hyper{Clip: 1}.WithDefaults()
	h.step(&clipped, []float32{30, 40}, 10)
	h.step(&free, []float32{.6, .8}, 10)
	for i := range clipped.m {
		if math.Abs(float64(clipped.m[i]-free.m[i])) > 1e-6 {
			t.Errorf("clipped moment %v, want %v", clipped.m[i], free.m[i])
		}
	}
}
