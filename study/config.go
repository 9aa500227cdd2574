package study

import (
	"lsat/adapter"
	"lsat/dataset"
	"lsat/engine"
	"lsat/period"
	"lsat/prompt"
	"lsat/train"
)

// Config is a whole study. The zero value of a field means its default. See configs/ for examples.
type Config struct {
	// Data says where the ratings come from.
	Data Data `koanf:"data"`
	// Stream says how ratings become samples and periods.
	Stream Stream `koanf:"stream"`
	// Prompt is the template and its words.
	Prompt prompt.Config `koanf:"prompt"`
	// Backbone is the frozen model: a name of the catalogue, hf:org/name, or a path.
	Backbone string `koanf:"backbone"`
	// Device is "auto", "go", "xla:cpu" or "xla:cuda". Default "auto", the fastest one found.
	Device string `koanf:"device"`
	// Devices is how many devices of that kind work side by side, each with the whole model: batches take turns, and results do not depend on it. Default 1.
	Devices int `koanf:"devices"`
	// DType is the data type of the frozen weights and of the products: "bf16", "f32" or "auto". Default "auto": bf16 on CUDA and on
	// processors that have bfloat16 instructions, f32 elsewhere.
	DType string `koanf:"dtype"`
	// Quantize is how the frozen weights are multiplied: "none", in DType, or "int8", in 8-bit integers: faster on processors that have
	// instructions for them, with the weights in half the memory, and with results a little apart. Default "none".
	Quantize string `koanf:"quantize"`
	// RowTokens is the length of a packed row, and BatchTokens bounds the tokens of one batch: fewer take less memory. Defaults 512 and
	// 1024; on a GPU, batches have up to 8192.
	RowTokens   int `koanf:"row_tokens"`
	BatchTokens int `koanf:"batch_tokens"`
	// Memory is what weights and batches may take, by estimate: a size such as "16GB", "off" for no check, or "auto". Default "auto": all there is.
	Memory string `koanf:"memory"`
	// Adapter is the shape of every adapter.
	Adapter Adapter `koanf:"adapter"`
	// Hyper are the hyper-parameters of training.
	Hyper Hyper `koanf:"hyper"`

	// Strategies are the rows of the table, in order. Default: the rows of the paper's table, no-update and lsat-stack. See strategy.Names.
	Strategies []string `koanf:"strategies"`
	// References are the baselines beside them (see package baseline). Default "means" (item mean plus user mean, on D_0 … D_t),
	// "means-newest" (on D_t alone) and "counts" (a logistic regression on counts, on D_0 … D_t). "history" is the share of likes in a sample's own
	// history, with no look at the item; "counts-memory" remembers more of a user than the history. "mf", "deepmusic", "gru4rec", "caser" and "sasrec" are the paper's
	// recommenders (see package recommender), retrained at every update; with "-finetune" they are trained further instead. Names joined by "+", such as
	// "counts-memory+mf", are a sum of log-odds with coefficients fitted on what its parts served in the periods before.
	References []string `koanf:"references"`
	// Prior is the reference whose log-odds the stacks add up with the adapters', and on top of which the strategies named with "+prior" are trained.
	// Default "counts". A conventional recommender or a sum may be the prior, too: recommenders are then trained once for each period that they serve.
	Prior string `koanf:"prior"`
	// CompareTo is the strategy that all others are compared with. Default "lsat-ensemble-N" with N = LongPeriods, where that is among
	// the strategies; else the first of them.
	CompareTo string `koanf:"compare_to"`

	// Periods are the test periods. The model updated with period t is tested on the whole of period t+1.
	Periods Periods `koanf:"periods"`
	// Limits narrow the test periods of single strategies, e.g. {full: {last: 11}}.
	Limits map[string]Periods `koanf:"limits"`
	// LongPeriods is how many periods, from period 0, the long-term adapter is trained on. Default 10 (the paper's).
	LongPeriods int `koanf:"long_periods"`
	// Seeds are the seeds of the adapters; each is a whole study on the same samples. Default one seed, 1.
	Seeds []uint64 `koanf:"seeds"`

	// MaxTrainPerPeriod, MaxValidPerPeriod and MaxTestPerPeriod cap the samples used of each period, and MaxLongSamples the
	// training samples of a job over several periods. Whole users, drawn by SampleSeed, are kept until the cap is reached, so that
	// runs of one user stay whole; of the last user the newest samples are kept. 0 is no cap. References are never capped in what
	// they learn from, and are tested on the same samples as the strategies.
	MaxTrainPerPeriod int `koanf:"max_train_per_period"`
	MaxValidPerPeriod int `koanf:"max_valid_per_period"`
	MaxTestPerPeriod  int `koanf:"max_test_per_period"`
	MaxLongSamples    int `koanf:"max_long_samples"`
	// KeepHidden keeps the hidden states below the adapters (adapter.top_layers) in the run directory when the study is done: gigabytes that
	// save a later run with other strategies the lower layers.
	KeepHidden bool `koanf:"keep_hidden"`
	// SampleSeed draws the users kept under a cap. Default 1.
	SampleSeed uint64 `koanf:"sample_seed"`
}

// Data says where the ratings come from.
type Data struct {
	// Name is a data set of the catalogue, such as ml-100k.
	Name string `koanf:"name"`
	// Path is a directory or file with ratings, from the working directory. It is read instead of the catalogue's; Name then only names it.
	Path string `koanf:"path"`
	// Format, Ratings, Items, MaxBad and Encoding are those of dataset.Options.
	Format   string `koanf:"format"`
	Ratings  string `koanf:"ratings"`
	Items    string `koanf:"items"`
	MaxBad   int    `koanf:"max_bad"`
	Encoding string `koanf:"encoding"`
	// Columns map the columns of separated values.
	Columns Columns `koanf:"columns"`
	// Filter selects a part of the data.
	Filter Filter `koanf:"filter"`
}

// Columns are those of dataset.Columns.
type Columns struct {
	User              string `koanf:"user"`
	Item              string `koanf:"item"`
	Rating            string `koanf:"rating"`
	Time              string `koanf:"time"`
	ItemID            string `koanf:"item_id"`
	Title             string `koanf:"title"`
	Categories        string `koanf:"categories"`
	Separator         string `koanf:"separator"`
	TimeUnit          string `koanf:"time_unit"`
	CategorySeparator string `koanf:"category_separator"`
}

// Filter is that of dataset.Filter. From and To are dates (2014-03-01), times (RFC 3339) or Unix seconds.
type Filter struct {
	From         string  `koanf:"from"`
	To           string  `koanf:"to"`
	Duplicates   string  `koanf:"duplicates"`
	MinUser      int     `koanf:"min_user"`
	UserFraction float64 `koanf:"user_fraction"`
	Seed         uint64  `koanf:"seed"`
	MinItem      int     `koanf:"min_item"`
}

// Stream is period.Options. From, To and Boundaries are dates, times (RFC 3339) or Unix seconds.
type Stream struct {
	Threshold     float64  `koanf:"threshold"`
	History       int      `koanf:"history"`
	MinHistory    int      `koanf:"min_history"`
	StrictTime    bool     `koanf:"strict_time"`
	From          string   `koanf:"from"`
	To            string   `koanf:"to"`
	Newest        int      `koanf:"newest"`
	Count         int      `koanf:"count"`
	EqualTime     bool     `koanf:"equal_time"`
	Boundaries    []string `koanf:"boundaries"`
	ValidFraction float64  `koanf:"valid_fraction"`
}

// Adapter is adapter.Config.
type Adapter struct {
	Rank    int      `koanf:"rank"`
	Alpha   float64  `koanf:"alpha"`
	Dropout float64  `koanf:"dropout"`
	Modules []string `koanf:"modules"`
	RSLoRA  bool     `koanf:"rslora"`
	// TopLayers adapts the uppermost layers only: a study of 10 of 30 computes the 20 below once for all strategies and epochs.
	TopLayers int `koanf:"top_layers"`
}

// Hyper holds the hyper-parameters. The paper stops early by other rules in its updates (a look every 6 steps, patience 5) than in its
// long jobs (23 and 10).
type Hyper struct {
	// Long trains the long-term adapter and full retraining.
	Long train.Hyper `koanf:"long"`
	// Update trains the jobs that learn from one new period: short-term adapters and fine-tuning. What is left out is as in Long.
	Update train.Hyper `koanf:"update"`
}

// Periods is a range of test periods, counted from 0, both ends included.
type Periods struct {
	// First is the first test period. Default: LongPeriods, the first one that no long-term adapter has seen; in Limits, the study's.
	First int `koanf:"first"`
	// Last is the last test period. Default: the last of the stream; in Limits, the study's.
	Last int `koanf:"last"`
}

// withDefaults fills in what is left out. It does not check anything.
func (c Config) withDefaults() Config {
	c.Device = or(c.Device, "auto")
	c.DType = or(c.DType, "auto")
	c.Quantize = or(c.Quantize, engine.QuantizeNone)
	c.LongPeriods = or(c.LongPeriods, 10)
	c.SampleSeed = or(c.SampleSeed, 1)
	if len(c.Seeds) == 0 {
		c.Seeds = []uint64{1}
	}
	c.Stream.Count = or(c.Stream.Count, 20)
	if n := len(c.Stream.Boundaries); n > 0 {
		c.Stream.Count = n + 1
	}
	c.Periods.First = or(c.Periods.First, c.LongPeriods)
	c.Periods.Last = or(c.Periods.Last, c.Stream.Count-1)
	ensemble := ensembleName(c.LongPeriods)
	if len(c.Strategies) == 0 {
		c.Strategies = []string{"no-update", "short", "long", "finetune", "full", "lsat-fusion", "lsat-ensemble-full", ensemble, "lsat-stack"}
	}
	if c.References == nil {
		c.References = []string{"means", "means-newest", "counts"}
	}
	c.Prior = or(c.Prior, "counts")
	if c.CompareTo == "" {
		c.CompareTo = c.Strategies[0]
		for _, s := range c.Strategies {
			if s == ensemble {
				c.CompareTo = s
			}
		}
	}
	c.Hyper.Long = c.Hyper.Long.WithDefaults()
	c.Hyper.Update = inherit(c.Hyper.Update, c.Hyper.Long)
	return c
}

func or[T comparable](v, otherwise T) T {
	var zero T
	if v == zero {
		return otherwise
	}
	return v
}

func inherit(h, from train.Hyper) train.Hyper {
	h.LearningRate = or(h.LearningRate, from.LearningRate)
	h.Beta1 = or(h.Beta1, from.Beta1)
	h.Beta2 = or(h.Beta2, from.Beta2)
	h.Epsilon = or(h.Epsilon, from.Epsilon)
	h.WeightDecay = or(h.WeightDecay, from.WeightDecay)
	h.Clip = or(h.Clip, from.Clip)
	h.Batch = or(h.Batch, from.Batch)
	h.Order = or(h.Order, from.Order)
	h.Epochs = or(h.Epochs, from.Epochs)
	h.Warmup = or(h.Warmup, from.Warmup)
	h.EvalEvery = or(h.EvalEvery, from.EvalEvery)
	h.Patience = or(h.Patience, from.Patience)
	return h
}

// limit is the range of test periods of one strategy or reference.
func (c Config) limit(name string) Periods {
	p := c.Limits[name]
	return Periods{First: max(c.Periods.First, p.First), Last: min(c.Periods.Last, or(p.Last, c.Periods.Last))}
}

// DatasetOptions are the options to read the data with.
func (c Config) DatasetOptions() (dataset.Options, error) {
	d := c.Data
	o := dataset.Options{Format: d.Format, Name: d.Name, Ratings: d.Ratings, Items: d.Items, MaxBad: d.MaxBad, Encoding: d.Encoding}
	o.Columns = dataset.Columns{
		User: d.Columns.User, Item: d.Columns.Item, Rating: d.Columns.Rating, Time: d.Columns.Time, ItemID: d.Columns.ItemID,
		Title: d.Columns.Title, Categories: d.Columns.Categories, TimeUnit: d.Columns.TimeUnit,
		CategorySeparator: d.Columns.CategorySeparator,
	}
	if s := d.Columns.Separator; s != "" {
		if len(s) != 1 {
			return o, keyError("data.columns.separator", "%q is not one byte", s)
		}
		o.Columns.Separator = s[0]
	}
	from, err := parseTime("data.filter.from", d.Filter.From)
	if err != nil {
		return o, err
	}
	to, err := parseTime("data.filter.to", d.Filter.To)
	if err != nil {
		return o, err
	}
	o.Filter = dataset.Filter{
		From: from, To: to, Duplicates: dataset.DuplicatePolicy(d.Filter.Duplicates), MinUser: d.Filter.MinUser,
		UserFraction: d.Filter.UserFraction, Seed: d.Filter.Seed, MinItem: d.Filter.MinItem,
	}
	return o, nil
}

// StreamOptions are the options to cut the stream with.
func (c Config) StreamOptions() (period.Options, error) {
	s := c.Stream
	o := period.Options{
		Threshold: float32(s.Threshold), History: s.History, MinHistory: s.MinHistory, StrictTime: s.StrictTime, Newest: s.Newest, Count: s.Count,
		EqualTime: s.EqualTime, ValidFraction: s.ValidFraction,
	}
	var err error
	if o.From, err = parseTime("stream.from", s.From); err != nil {
		return o, err
	}
	if o.To, err = parseTime("stream.to", s.To); err != nil {
		return o, err
	}
	for _, b := range s.Boundaries {
		t, err := parseTime("stream.boundaries", b)
		if err != nil {
			return o, err
		}
		o.Boundaries = append(o.Boundaries, t)
	}
	return o, nil
}

// AdapterConfig is the shape of every adapter, with its defaults filled in.
func (c Config) AdapterConfig() adapter.Config {
	a := c.Adapter
	return adapter.Config{Rank: a.Rank, Alpha: a.Alpha, Dropout: a.Dropout, Modules: a.Modules, RSLoRA: a.RSLoRA, TopLayers: a.TopLayers}.WithDefaults()
}
