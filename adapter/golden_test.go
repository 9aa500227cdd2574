package adapter

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// golden is what PEFT says about the directories and combinations in testdata/peft; scripts/golden/peft_io.py writes it.
type golden struct {
	// Dirs: by directory and module path, the update times (1, 1/2, 1/3, ...).
	Dirs  map[string]map[string][]float64
	Parts map[string]map[string]goldenFactors
	// Linear and SVD are add_weighted_adapter's results.
	Linear []struct {
		Adapters []string
		Weights  []float64
		Result   map[string]goldenFactors
	}
	SVD []struct {
		Adapters []string
		Weights  []float64
		Rank     int
		Updates  map[string][][]float64
	}
}

type goldenFactors struct {
	A, B  [][]float64
	Scale float64
}

func readGolden(t *testing.T) golden {
	t.Helper()
	text, err := os.ReadFile("testdata/peft/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

func matrixOf(rows [][]float64) Matrix {
	m := zeros(len(rows), len(rows[0]))
	for i, r := range rows {
		for j, v := range r {
			m.Data[i*m.Cols+j] = float32(v)
		}
	}
	return m
}

// part is one of the golden adapters that the combinations are made of.
func (g golden) part(t *testing.T, name string) *Adapter {
	t.Helper()
	a := &Adapter{Layers: map[Key]Factors{}}
	for path, f := range g.Parts[name] {
		a.Layers[keyOf(t, path)] = Factors{A: matrixOf(f.A), B: matrixOf(f.B)}
		a.Config = Config{Rank: len(f.A), Alpha: f.Scale * float64(len(f.A)), Modules: []string{"v_proj"}}
	}
	if err := a.Validate(); err != nil {
		t.Fatal(err)
	}
	return a
}

// keyOf finds the key of a module path such as model.layers.3.self_attn.q_proj.
func keyOf(t *testing.T, path string) Key {
	t.Helper()
	for layer := range 8 {
		for _, m := range modules {
			if k := (Key{layer, m}); k.path() == path {
				return k
			}
		}
	}
	t.Fatalf("no key for %q", path)
	return Key{}
}

func close32(a, b, tolerance float64) bool {
	return math.Abs(a-b) <= tolerance*max(1, math.Abs(a), math.Abs(b))
}

func TestReadAgreesWithPEFT(t *testing.T) {
	dirs := readGolden(t).Dirs
	want := map[string]Config{
		"plain":         {Rank: 2, Alpha: 3, Dropout: .25, Modules: []string{"q_proj", "v_proj"}},
		"rslora-f16":    {Rank: 2, Alpha: 4, Dropout: -1, Modules: []string{"down_proj"}, RSLoRA: true},
		"patterns-bf16": {Rank: 4, Alpha: 16, Dropout: -1, Modules: []string{"q_proj", "k_proj", "up_proj"}},
		"all-linear":    {Rank: 1, Alpha: 1, Dropout: -1, Modules: Modules()},
	}
	if len(dirs) != len(want) {
		t.Fatalf("%d directories in the golden file", len(dirs))
	}
	for name, updates := range dirs {
		a, err := Read(filepath.Join("testdata/peft", name))
		if err != nil {
			t.Error(err)
			continue
		}
		got, _ := json.Marshal(a.Config)
		if w, _ := json.Marshal(want[name]); string(got) != string(w) {
			t.Errorf("%s: %s, want %s", name, got, w)
		}
		if len(updates) != len(a.Layers) {
			t.Errorf("%s: %d projections, PEFT has %d", name, len(a.Layers), len(updates))
		}
		for path, probe := range updates {
			k := keyOf(t, path)
			u := a.Update(k)
			if u.Rows != len(probe) {
				t.Errorf("%s: %s: %d rows, PEFT has %d", name, k, u.Rows, len(probe))
				continue
			}
			for i, want := range probe {
				got := 0.
				for j, v := range u.Data[i*u.Cols : (i+1)*u.Cols] {
					got += float64(v) / float64(j+1)
				}
				if !close32(got, want, 2e-6) {
					t.Fatalf("%s: %s row %d: %v, PEFT %v", name, k, i, got, want)
				}
			}
		}
	}
}

func TestFusePEFTAgreesWithPEFT(t *testing.T) {
	g := readGolden(t)
	if len(g.Linear) < 5 {
		t.Fatal("the golden file lacks combinations")
	}
	for _, c := range g.Linear {
		var adapters []*Adapter
		for _, name := range c.Adapters {
			adapters = append(adapters, g.part(t, name))
		}
		a, err := FusePEFT(adapters, c.Weights)
		if err != nil {
			t.Fatal(err)
		}
		if len(a.Layers) != len(c.Result) {
			t.Errorf("%v: %d projections, PEFT has %d", c.Weights, len(a.Layers), len(c.Result))
		}
		for path, want := range c.Result {
			f := a.Layers[keyOf(t, path)]
			if a.Scale() != want.Scale {
				t.Errorf("%v: scale %v, PEFT %v", c.Weights, a.Scale(), want.Scale)
			}
			for _, pair := range [][2]Matrix{{f.A, matrixOf(want.A)}, {f.B, matrixOf(want.B)}} {
				for i, v := range pair[1].Data {
					if !close32(float64(pair[0].Data[i]), float64(v), 1e-6) {
						t.Fatalf("%v: %s element %d: %v, PEFT %v", c.Weights, path, i, pair[0].Data[i], v)
					}
				}
			}
		}
	}
}

func TestTruncatedExactAgreesWithPEFTsSVD(t *testing.T) {
	g := readGolden(t)
	for _, c := range g.SVD {
		sum, err := FuseExact([]*Adapter{g.part(t, c.Adapters[0]), g.part(t, c.Adapters[1])}, c.Weights)
		if err != nil {
			t.Fatal(err)
		}
		a, report, err := Truncate(sum, c.Rank)
		if err != nil {
			t.Fatal(err)
		}
		if (report.RelativeError > 1e-9) != (c.Rank < 4) {
			t.Errorf("rank %d of 4: relative error %v", c.Rank, report.RelativeError)
		}
		for path, rows := range c.Updates {
			got, want := a.Update(keyOf(t, path)), matrixOf(rows)
			for i, v := range want.Data {
				if !close32(float64(got.Data[i]), float64(v), 1e-5) {
					t.Fatalf("rank %d, %v: %s element %d: %v, PEFT %v", c.Rank, c.Weights, path, i, got.Data[i], v)
				}
			}
		}
	}
}

// goldenScript runs scripts/golden/peft_io.py and decodes what it prints.
func goldenScript(t *testing.T, into any, args ...string) {
	t.Helper()
	python := os.Getenv("LSAT_GOLDEN_PYTHON")
	if python == "" {
		t.Skip("LSAT_GOLDEN_PYTHON does not name a Python with the packages of scripts/golden/requirements.txt")
	}
	var complaints strings.Builder
	cmd := exec.Command(python, append([]string{"../scripts/golden/peft_io.py"}, args...)...)
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, &complaints)
	}
	if err := json.Unmarshal(out, into); err != nil {
		t.Fatalf("%v printed %q: %v", args, out, err)
	}
}

func TestPEFTLoadsWhatIsWritten(t *testing.T) {
	uneven := random(t, Config{Rank: 2, Alpha: 5}, shapesOf(4), 7)
	delete(uneven.Layers, Key{1, "q_proj"})
	upper := random(t, Config{Rank: 3, Alpha: 2.5, RSLoRA: true, Modules: []string{"gate_proj", "o_proj"}}, shapesOf(4), 8)
	for _, k := range upper.Keys() {
		if k.Layer < 2 {
			delete(upper.Layers, k)
		}
	}
	adapters := []*Adapter{
		random(t, Config{}, shapesOf(4), 5),
		random(t, Config{Rank: 1, Alpha: 1, Dropout: -1, Modules: Modules()}, shapesOf(4), 6),
		uneven,
		upper,
	}
	args := []string{"load"}
	for i, a := range adapters {
		a.Base = "tiny"
		dir := filepath.Join(t.TempDir(), strconv.Itoa(i))
		if err := Write(dir, a); err != nil {
			t.Fatal(err)
		}
		args = append(args, dir)
	}
	var loaded []struct {
		Missing, Unexpected, Warnings []string
		Rank                          int
		Alpha, Dropout                float64
		RSLoRA                        bool
		Base                          string
		Updates                       map[string][][]float64
	}
	goldenScript(t, &loaded, args...)
	if len(loaded) != len(adapters) {
		t.Fatalf("PEFT loaded %d of %d", len(loaded), len(adapters))
	}
	for n, got := range loaded {
		a := adapters[n]
		if len(got.Missing)+len(got.Unexpected)+len(got.Warnings) > 0 {
			t.Errorf("%d: PEFT misses %v, does not expect %v, warns %v", n, got.Missing, got.Unexpected, got.Warnings)
		}
		if cfg := a.Config.WithDefaults(); got.Rank != cfg.Rank || got.Alpha != cfg.Alpha || got.Dropout != cfg.DropoutRate() || got.RSLoRA != cfg.RSLoRA || got.Base != "tiny" {
			t.Errorf("%d: PEFT reads the configuration %+v as %+v", n, cfg, got)
		}
		if len(got.Updates) != len(a.Layers) {
			t.Errorf("%d: PEFT adapts %d projections, written were %d", n, len(got.Updates), len(a.Layers))
		}
		for path, rows := range got.Updates {
			want, peft := a.Update(keyOf(t, path)), matrixOf(rows)
			if want.Rows != peft.Rows || want.Cols != peft.Cols {
				t.Fatalf("%d: %s: [%d, %d], PEFT [%d, %d]", n, path, want.Rows, want.Cols, peft.Rows, peft.Cols)
			}
			for i, v := range want.Data {
				if !close32(float64(v), float64(peft.Data[i]), 1e-5) {
					t.Fatalf("%d: %s element %d: %v, PEFT %v", n, path, i, v, peft.Data[i])
				}
			}
		}
	}
}
