package study_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lsat/study"
)

func TestGoodConfigurations(t *testing.T) {
	c, err := study.Load("testdata/minimal.good.yml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The defaults are the paper's protocol.
	if c.LongPeriods != 10 || c.Periods != (study.Periods{First: 10, Last: 19}) || c.CompareTo != "lsat-ensemble-10" || !slices.Equal(c.Seeds, []uint64{1}) {
		t.Errorf("defaults %+v", c)
	}
	if a := c.AdapterConfig(); a.Rank != 8 || a.Alpha != 16 || a.Dropout != .05 || !slices.Equal(a.Modules, []string{"q_proj", "v_proj"}) {
		t.Errorf("adapter %+v", a)
	}
	c, err = study.Load("testdata/full.good.yml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.DatasetOptions()
	if err != nil {
		t.Fatal(err)
	}
	if d.Filter.From != 1393632000 || d.Filter.To != 1527811200 || d.Columns.Separator != ',' || d.Columns.User != "#1" || d.MaxBad != 5 {
		t.Errorf("data %+v", d)
	}
	s, err := c.StreamOptions()
	if err != nil {
		t.Fatal(err)
	}
	if want := []int64{1401580800, 1409529600, 1417392000}; !slices.Equal(s.Boundaries, want) || s.Threshold != 3.5 || c.Periods.Last != 3 {
		t.Errorf("stream %+v, test periods %+v", s, c.Periods)
	}
	if w := c.Prompt.Window; w == nil || *w != 0 {
		t.Errorf("window %v, want 0 and not the default", w)
	}
	// What hyper.update leaves out is as in hyper.long.
	if u := c.Hyper.Update; u.Epochs != 1 || u.LearningRate != 5e-4 || u.Batch != 32 {
		t.Errorf("hyper-parameters of updates %+v", u)
	}
}

func TestBadConfigurations(t *testing.T) {
	want := map[string]string{
		"misspelt":       `misspelt.bad.yml:3: stratgies: unknown key: did you mean "strategies"?`,
		"misspelt_below": `misspelt_below.bad.yml:6: hyper.long.epoch: unknown key: did you mean "epochs"?`,
		"unknown":        `unknown.bad.yml:1: data.zzzzzzzzzz: unknown key: there are columns, encoding, filter, format, items, max_bad, name, path, ratings`,
		"twice":          `twice.bad.yml:4: seeds: is given twice`,
		"type":           `type.bad.yml:3: hyper.long.epochs: "1.5" is not a whole number`,
		"type_list":      `type_list.bad.yml:3: strategies: want a list like [a, b]`,
		"type_map":       `type_map.bad.yml:1: data: want keys and values`,
		"type_bool":      `type_bool.bad.yml:3: stream.equal_time: "often" is not true or false`,
		"negative_seed":  `negative_seed.bad.yml:3: seeds: "-1" is not a whole number of 0 or more`,
		"empty_value":    `empty_value.bad.yml:2: backbone: has no value: want a text, or leave the key out for its default`,
		"no_data":        `no_data.bad.yml: data: want a name of the catalogue, or a path`,
		"no_backbone":    `no_backbone.bad.yml: backbone: is missing: name a model of the catalogue, hf:org/name, or a path`,
		"not_yaml":       `not_yaml.bad.yml: line 1: did not find expected ',' or '}'`,
		"list":           `list.bad.yml:1: the file: want keys and values`,
		"strategy":       `strategy.bad.yml:3: strategies: unknown strategy "lsat-ensemble10": did you mean "lsat-ensemble-N"?`,
		"strategy_twice": `strategy_twice.bad.yml:3: strategies: "short" is given twice`,
		"strategy_early": `strategy_early.bad.yml:3: strategies: test period 5 is updated with period 4: long: too early: it needs periods 0-9, and an update with period 4 has only 0-4`,
		"reference":      `reference.bad.yml:3: references: unknown baseline "medians": there are counts, counts-memory, history, means, each also with -newest for D_t alone, and mf, deepmusic, gru4rec, caser, sasrec, each also with -finetune; sums are written with +`,
		"prior":          `prior.bad.yml:3: prior: unknown reference "mean": there are counts, counts-memory, history, means, mf, deepmusic, gru4rec, caser, sasrec, and sums of them written with +`,
		"compare_to":     `compare_to.bad.yml:4: compare_to: "long" is not among the strategies`,
		"periods_last":   `periods_last.bad.yml:4: periods.last: 12: the stream has periods 0-11`,
		"periods_order":  `periods_order.bad.yml:3: periods.last: 11 is before the first test period 12`,
		"limit":          `limit.bad.yml:3: limits.ful: is not among the strategies`,
		"limit_empty":    `limit_empty.bad.yml:3: limits.full: leaves no test period of 10-19`,
		"dtype":          `dtype.bad.yml:3: dtype: "int8" is not one of auto, bf16, f32`,
		"quantize":       `quantize.bad.yml:3: quantize: "int4" is not one of none, int8`,
		"rank":           `rank.bad.yml:3: adapter: rank -1 is not in 1 to 16384`,
		"module":         `module.bad.yml:3: adapter: unknown module "query" (known: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj)`,
		"beta":           `beta.bad.yml:4: hyper.update: beta1 and beta2 must be below 1`,
		"learning_rate":  `learning_rate.bad.yml:4: hyper.long.learning_rate: -0.1 is out of range`,
		"order":          `order.bad.yml:4: hyper.update.order: "sorted" is not one of shuffled, prefix`,
		"date":           `date.bad.yml:1: data.filter.from: "March" is not a date (2014-03-01), a time (RFC 3339) or Unix seconds`,
		"boundaries":     `boundaries.bad.yml:3: stream: period options: boundary 2 (2014-03-01 00:00:00) is not after boundary 1 (2014-06-01 00:00:00)`,
		"separator":      `separator.bad.yml:1: data.columns.separator: "::" is not one byte`,
		"cap":            `cap.bad.yml:3: max_long_samples: -5 is negative`,
		"seed_twice":     `seed_twice.bad.yml:3: seeds: 3 is given twice`,
		"validation":     `validation.bad.yml:3: stream.valid_fraction: -1: a study needs a validation part`,
	}
	files, err := filepath.Glob("testdata/*.bad.yml")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(want) {
		t.Errorf("%d bad files, %d messages", len(files), len(want))
	}
	for name, msg := range want {
		_, err := study.Load("testdata/"+name+".bad.yml", nil, nil)
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		if got := err.Error(); got != "testdata/"+msg {
			t.Errorf("%s:\n got %s\nwant testdata/%s", name, got, msg)
		}
	}
}

func TestKeyErrorsNameTheKey(t *testing.T) {
	_, err := study.Load("testdata/misspelt_below.bad.yml", nil, nil)
	var ke *study.KeyError
	if !errors.As(err, &ke) || ke.Key != "hyper.long.epoch" || !strings.HasSuffix(ke.Source, ":6") {
		t.Errorf("error %#v", err)
	}
}

func TestOverrides(t *testing.T) {
	const file = "testdata/full.good.yml"
	c, err := study.Load(file, []string{
		"LSAT_SEEDS=[7, 8, 9]", "LSAT_HYPER_LONG_LEARNING_RATE=0.01", "LSAT_MAX_TEST_PER_PERIOD=3", "LSAT_PERIODS_LAST=2",
		"LSAT_CACHE_DIR_OF_SOMEBODY_ELSE=x", "HOME=/nowhere",
	}, []string{"seeds=[4]", "prompt.noun=song", "data.path=/elsewhere"})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(c.Seeds, []uint64{4}) || c.Hyper.Long.LearningRate != .01 || c.MaxTestPerPeriod != 3 || c.Periods.Last != 2 {
		t.Errorf("the environment and --set were not heard: %+v", c)
	}
	if c.Prompt.Noun != "song" || c.Data.Path != "/elsewhere" || c.Prompt.Verb != "enjoy" {
		t.Errorf("--set was not heard, or changed too much: %+v, %+v", c.Prompt, c.Data)
	}
	if c, err := study.Load(file, nil, []string{"limits={}"}); err != nil || len(c.Limits) != 0 {
		t.Errorf("limits={} leaves the limits %v (%v)", c.Limits, err)
	}
	for _, bad := range []struct {
		env, set []string
		want     string
	}{
		{[]string{"LSAT_SEED=[1]"}, nil, `environment: LSAT_SEED: unknown variable: did you mean "LSAT_SEEDS"?`},
		{[]string{"LSAT_HYPER_LONG_EPOCHS=many"}, nil, `environment, LSAT_HYPER_LONG_EPOCHS: hyper.long.epochs: "many" is not a whole number`},
		{[]string{"LSAT_MEMORY=much"}, nil, `environment, LSAT_MEMORY: memory: "much" is not auto, off, or a size such as 16GB`},
		{nil, []string{"devices=-1"}, `--set: devices: -1 is negative`},
		{nil, []string{"batch_tokens=256"}, `--set: batch_tokens: 256 is less than a row, of 512 tokens`},
		{[]string{"LSAT_DTYPE=f64"}, nil, `environment, LSAT_DTYPE: dtype: "f64" is not one of auto, bf16, f32`},
		{nil, []string{"periods.frist=3"}, `--set: periods.frist: unknown key: did you mean "periods.first"?`},
		{nil, []string{"periods"}, `--set: periods: want key=value`},
		{nil, []string{"seeds=[1"}, `--set: seeds: "[1" is not a value`},
		{nil, []string{"seeds=1"}, `--set: seeds: want a list like [1, 2]`},
	} {
		if _, err := study.Load(file, bad.env, bad.set); err == nil || err.Error() != bad.want {
			t.Errorf("%v %v:\n got %v\nwant %s", bad.env, bad.set, err, bad.want)
		}
	}
}

func TestMissingConfiguration(t *testing.T) {
	if _, err := study.Load(filepath.Join(t.TempDir(), "none.yaml"), nil, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// The configurations that are shipped must load, and say what their comments promise.
func TestShippedConfigurations(t *testing.T) {
	files, err := filepath.Glob("../configs/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("configs: %v, %v", files, err)
	}
	for _, f := range files {
		if _, err := study.Load(f, nil, nil); err != nil {
			t.Error(err)
		}
	}
	c, err := study.Load("../configs/ml-1m-cpu.yaml", nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if c.Periods != (study.Periods{First: 10, Last: 19}) || c.LongPeriods != 10 || c.Stream.Newest != 200000 || c.CompareTo != "lsat-ensemble-10" {
		t.Errorf("ml-1m-cpu.yaml is %+v", c)
	}
}

func FuzzLoad(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yml")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b))
	}
	f.Add("a: &a [*a]")
	f.Add("data: &d {name: *d}")
	f.Add("limits: {x: {last: 99999999999999999999}}")
	f.Add("? [a]\n: b")
	f.Add("<<: {data: 1}")
	f.Fuzz(func(t *testing.T, text string) {
		path := filepath.Join(t.TempDir(), "c.yaml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := study.Load(path, nil, nil); err != nil && strings.Contains(err.Error(), "\n") {
			t.Errorf("more than one line: %v", err)
		}
	})
}
