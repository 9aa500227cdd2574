package adapter

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lsat/internal/safetensors"
)

// random makes an adapter whose A and B are both filled.
func random(t testing.TB, cfg Config, shapes map[Key][2]int, seed uint64) *Adapter {
	t.Helper()
	a, err := New(cfg, shapes, seed)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(seed, 99))
	for _, k := range a.Keys() {
		b := a.Layers[k].B.Data
		for i := range b {
			b[i] = float32(rng.NormFloat64())
		}
	}
	return a
}

func TestWriteReadRoundTrip(t *testing.T) {
	for name, c := range map[string]struct {
		cfg  Config
		drop func(Key) bool
	}{
		"defaults":           {cfg: Config{}},
		"all modules, rs":    {cfg: Config{Rank: 3, Alpha: 2.5, Dropout: -1, Modules: Modules(), RSLoRA: true}},
		"upper layers only":  {cfg: Config{Rank: 2, Dropout: .25}, drop: func(k Key) bool { return k.Layer < 2 }},
		"uneven projections": {cfg: Config{Rank: 2}, drop: func(k Key) bool { return k == Key{1, "q_proj"} }},
	} {
		a := random(t, c.cfg, shapesOf(4), 5)
		a.Base = "org/base"
		for _, k := range a.Keys() {
			if c.drop != nil && c.drop(k) {
				delete(a.Layers, k)
			}
		}
		dir := filepath.Join(t.TempDir(), "new", "adapter")
		if err := Write(dir, a); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		b, err := Read(dir)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !a.Equal(b) || a.Hash() != b.Hash() {
			t.Errorf("%s: read back something else: %+v, was %+v", name, b.Config, a.Config)
		}
	}
}

func TestWriteDoesNotClobber(t *testing.T) {
	parent := t.TempDir()
	dir := filepath.Join(parent, "adapter")
	a, b := random(t, Config{}, shapesOf(1), 1), random(t, Config{}, shapesOf(1), 2)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := Write(dir, a); err != nil { // an empty directory holds nothing to lose
		t.Fatal(err)
	}
	if err := Write(dir, b); !errors.Is(err, ErrExists) {
		t.Errorf("second write: %v", err)
	}
	if got, err := Read(dir); err != nil || !got.Equal(a) {
		t.Errorf("the first adapter is not there any more: %v", err)
	}
	if err := Replace(dir, b); err != nil {
		t.Fatal(err)
	}
	if got, err := Read(dir); err != nil || !got.Equal(b) {
		t.Errorf("Replace did not: %v", err)
	}
	a.Layers[Key{0, "q_proj"}].A.Data[0] /= 0
	if err := Replace(dir, a); err == nil {
		t.Error("an infinite number was written")
	}
	if entries, err := os.ReadDir(parent); err != nil || len(entries) != 1 {
		t.Errorf("leftovers: %v %v", entries, err)
	}
}

// Two writers may pass the first look; then the rename must decide.
func TestTheSecondOfTwoWritersIsRefused(t *testing.T) {
	parent := t.TempDir()
	dir, late := filepath.Join(parent, "adapter"), filepath.Join(parent, "late")
	a, b := random(t, Config{}, shapesOf(1), 1), random(t, Config{}, shapesOf(1), 2)
	if err := errors.Join(Write(dir, a), Write(late, b)); err != nil {
		t.Fatal(err)
	}
	if err := place(late, dir, false); !errors.Is(err, ErrExists) {
		t.Errorf("the late one: %v", err)
	}
	if got, err := Read(dir); err != nil || !got.Equal(a) {
		t.Errorf("the first adapter is not there any more: %v", err)
	}
	if err := os.WriteFile(filepath.Join(parent, "file"), []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, write := range []func(string, *Adapter) error{Write, Replace} {
		if err := write(filepath.Join(parent, "file"), a); err == nil {
			t.Error("an adapter took the place of a file")
		}
	}
	if text, err := os.ReadFile(filepath.Join(parent, "file")); err != nil || string(text) != "precious" {
		t.Errorf("the file is %q (%v)", text, err)
	}
}

// A reader that comes while adapters replace each other always finds a whole one (where directories can be swapped in one step).
func TestReplaceLeavesNoGap(t *testing.T) {
	parent := t.TempDir()
	if x, y := filepath.Join(parent, "x"), filepath.Join(parent, "y"); os.Mkdir(x, 0o755) != nil || os.Mkdir(y, 0o755) != nil || !exchange(x, y) {
		t.Skip("this system cannot swap two directories in one step")
	}
	dir := filepath.Join(parent, "adapter")
	a, b := random(t, Config{}, shapesOf(1), 1), random(t, Config{}, shapesOf(1), 2)
	if err := Write(dir, a); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan error, 1)
	go func() {
		for {
			select {
			case <-stop:
				done <- nil
				return
			default:
				if _, err := os.Stat(dir); err != nil {
					done <- err
					return
				}
			}
		}
	}()
	for i := range 20 {
		if err := Replace(dir, []*Adapter{b, a}[i%2]); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	if err := <-done; err != nil {
		t.Errorf("the directory was away: %v", err)
	}
	if got, err := Read(dir); err != nil || !got.Equal(a) {
		t.Errorf("the last one is not there: %v", err)
	}
}

// rewrite writes a's PEFT directory with its configuration and tensors changed.
func rewrite(t *testing.T, a *Adapter, change func(cfg map[string]any, tensors map[string]safetensors.Tensor)) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "adapter")
	if err := Write(dir, a); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, configFile))
	if err != nil {
		t.Fatal(err)
	}
	cfg, tensors := map[string]any{}, map[string]safetensors.Tensor{}
	if err := json.Unmarshal(text, &cfg); err != nil {
		t.Fatal(err)
	}
	list, _, err := safetensors.ReadFile(filepath.Join(dir, tensorsFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range list {
		tensors[x.Name] = x
	}
	change(cfg, tensors)
	if text, err = json.Marshal(cfg); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, configFile), text, 0o644); err != nil {
		t.Fatal(err)
	}
	list = list[:0]
	for name, x := range tensors {
		x.Name = name
		list = append(list, x)
	}
	f, err := os.Create(filepath.Join(dir, tensorsFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(safetensors.Write(f, list, nil), f.Close()); err != nil {
		t.Fatal(err)
	}
	return dir
}

type (
	cfgMap    = map[string]any
	tensorMap = map[string]safetensors.Tensor
)

const q0 = "base_model.model.model.layers.0.self_attn.q_proj.lora_"

func TestReadNamesWhatItCannotRead(t *testing.T) {
	set := func(field string, v any) func(cfgMap, tensorMap) { return func(c cfgMap, _ tensorMap) { c[field] = v } }
	for _, c := range []struct {
		change func(cfgMap, tensorMap)
		is     error
		says   string
	}{
		{set("use_dora", true), ErrUnsupported, "use_dora"},
		{set("bias", "lora_only"), ErrUnsupported, "bias"},
		{set("lora_bias", true), ErrUnsupported, "lora_bias"},
		{set("modules_to_save", []string{"lm_head"}), ErrUnsupported, "modules_to_save"},
		{set("fan_in_fan_out", true), ErrUnsupported, "fan_in_fan_out"},
		{set("layer_replication", [][]int{{0, 4}}), ErrUnsupported, "layer_replication"},
		{set("trainable_token_indices", []int{1}), ErrUnsupported, "trainable_token_indices"},
		{set("init_lora_weights", "pissa"), ErrUnsupported, "pissa"},
		{set("use_next_years_trick", true), ErrUnsupported, "use_next_years_trick"},
		{set("peft_type", "IA3"), ErrUnsupported, "IA3"},
		{set("r", 7), ErrShape, "rank 7"},
		{set("r", -7), nil, "r = -7"},
		{set("r", 1e99), nil, "r"},
		{set("r", "eight"), nil, "r"},
		{set("lora_alpha", 0), nil, "lora_alpha"},
		{set("lora_dropout", 1), nil, "lora_dropout"},
		{set("rank_pattern", cfgMap{"(": 3}), nil, "rank_pattern"},
		{set("rank_pattern", cfgMap{"q_proj": -3}), nil, "rank_pattern"},
		{set("alpha_pattern", []int{3}), nil, "alpha_pattern"},
		{set("layers_to_transform", []int{0}), nil, "layers_to_transform"},
		{set("layers_to_transform", []int{0, 1, 2}), ErrShape, "layer 2 q_proj is missing"},
		{set("target_modules", []string{"q_proj"}), nil, "v_proj is there"},
		{set("target_modules", []string{"q_proj", "v_proj", "o_proj"}), ErrShape, "o_proj is missing"},
		{func(_ cfgMap, x tensorMap) { delete(x, q0+"A.weight") }, ErrShape, "layer 0 q_proj: lora_A is missing"},
		{func(_ cfgMap, x tensorMap) { delete(x, q0+"B.weight") }, ErrShape, "layer 0 q_proj: lora_B is missing"},
		{func(c cfgMap, x tensorMap) {
			delete(x, q0+"A.weight")
			delete(x, q0+"B.weight")
		}, ErrShape, "layer 0 q_proj is missing"},
		{func(_ cfgMap, x tensorMap) { clear(x) }, nil, "no LoRA tensors"},
		{func(_ cfgMap, x tensorMap) { x["base_model.model.lm_head.lora_A.weight"] = x[q0+"A.weight"] }, ErrUnsupported, "lm_head"},
		{func(_ cfgMap, x tensorMap) {
			x[strings.Replace(q0, "self_attn", "mlp", 1)+"A.weight"] = x[q0+"A.weight"]
		}, ErrUnsupported, "mlp.q_proj"},
		{func(_ cfgMap, x tensorMap) { x[q0+"magnitude_vector"] = x[q0+"A.weight"] }, ErrUnsupported, "magnitude_vector"},
		{func(_ cfgMap, x tensorMap) {
			x[strings.Replace(q0, "model.layers", "language_model.layers", 1)+"A.weight"] = x[q0+"A.weight"]
		}, ErrUnsupported, "other tensors are under"},
		{func(_ cfgMap, x tensorMap) { x[strings.Replace(q0, ".0.", ".99999.", 1)+"A.weight"] = x[q0+"A.weight"] }, nil, "99999"},
		{func(_ cfgMap, x tensorMap) { x[q0+"A.default.weight"] = x[q0+"A.weight"] }, nil, "twice"},
		{func(_ cfgMap, x tensorMap) {
			y := x[q0+"A.weight"]
			y.Shape = []int{len(y.Data)}
			x[q0+"A.weight"] = y
		}, ErrShape, "two axes"},
		{func(_ cfgMap, x tensorMap) {
			y := x[q0+"A.weight"]
			y.Shape = []int{y.Shape[1], y.Shape[0]}
			x[q0+"A.weight"] = y
		}, ErrShape, "not of rank"},
		{func(_ cfgMap, x tensorMap) { x[q0+"A.weight"] = safetensors.Tensor{Shape: []int{8, 0}} }, ErrShape, "[8, 0]"},
		{func(_ cfgMap, x tensorMap) { x[q0+"A.weight"].Data[0] /= 0 }, nil, "finite"},
	} {
		a := random(t, Config{Rank: 8}, shapesOf(2), 1)
		dir := rewrite(t, a, c.change)
		b, err := Read(dir)
		if err == nil {
			t.Errorf("%s: read as %+v", c.says, b.Config)
		} else if c.is != nil && !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q is not of kind %v or does not say %q", err, c.is, c.says)
		}
	}
}

func TestReadResolvesPatternsFromTheTensors(t *testing.T) {
	a := random(t, Config{Rank: 8}, shapesOf(2), 1)
	for _, targets := range []any{"all-linear", `.*\.(q|v)_proj`, nil, []string{"model.layers.0.self_attn.q_proj", "v_proj"}} {
		b, err := Read(rewrite(t, a, func(c cfgMap, _ tensorMap) {
			c["target_modules"] = targets
			delete(c, "layers_to_transform")
		}))
		if err != nil || !a.Equal(b) {
			t.Errorf("target_modules %v: %v", targets, err)
		}
	}
	for _, prefix := range []string{"base_model.model.model.language_model.layers", "base_model.model.language_model.model.layers"} {
		b, err := Read(rewrite(t, a, func(_ cfgMap, x tensorMap) {
			for name, y := range x {
				delete(x, name)
				x[strings.Replace(name, "base_model.model.model.layers", prefix, 1)] = y
			}
		}))
		if err != nil || !a.Equal(b) {
			t.Errorf("%s: %v", prefix, err)
		}
	}
}

func TestReadMissingFiles(t *testing.T) {
	a := random(t, Config{}, shapesOf(1), 1)
	for _, name := range []string{configFile, tensorsFile} {
		dir := rewrite(t, a, func(cfgMap, tensorMap) {})
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), name) {
			t.Errorf("without %s: %v", name, err)
		}
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s a directory: %v", name, err)
		}
	}
	dir := rewrite(t, a, func(cfgMap, tensorMap) {})
	if err := os.Rename(filepath.Join(dir, tensorsFile), filepath.Join(dir, "adapter_model.bin")); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); !errors.Is(err, ErrUnsupported) {
		t.Errorf("pickled: %v", err)
	}
}

func TestReadTruncated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "adapter")
	if err := Write(dir, random(t, Config{Rank: 1}, shapesOf(1), 1)); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{configFile, tensorsFile} {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for n := 0; n < len(whole)-2; n += 1 + n/9 {
			if err := os.WriteFile(path, whole[:n], 0o644); err != nil {
				t.Fatal(err)
			}
			if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), name) {
				t.Fatalf("%s cut to %d of %d bytes: %v", name, n, len(whole), err)
			}
		}
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func FuzzPEFTConfig(f *testing.F) {
	for _, name := range []string{"plain", "patterns-bf16", "all-linear"} {
		text, err := os.ReadFile(filepath.Join("testdata/peft", name, configFile))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte(`{"peft_type":"LORA","rank_pattern":{"a)|(b":1e300},"layers_to_transform":"all","target_modules":5}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePEFTConfig(text)
		if err != nil {
			return
		}
		tensors := []safetensors.Tensor{{Name: q0 + "A.weight", Shape: []int{8, 2}, Data: make([]float32, 16)}, {Name: q0 + "B.weight", Shape: []int{4, 8}, Data: make([]float32, 32)}}
		a, err := assemble(p, tensors)
		if err == nil && a.Validate() != nil {
			t.Fatalf("%q gave an invalid adapter: %v", text, a.Validate())
		}
	})
}
