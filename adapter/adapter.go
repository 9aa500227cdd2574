// Package adapter holds LoRA adapters: creating, combining and measuring them, and the files other tools read and write.
package adapter

// Matrix is a dense row-major float32 matrix.
type Matrix struct {
	Rows, Cols int
	Data       []float32
}

// Key names one adapted projection: layer number and projection ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj",
// "up_proj", "down_proj").
type Key struct {
	Layer  int
	Module string
}

// Factors are the two factors of one LoRA update, dW = Scale * B A.
type Factors struct {
	// A is [rank, in], B is [out, rank].
	A, B Matrix
}

// Config says what an adapter is. The zero value of a field means its default.
type Config struct {
	// Rank is LoRA's r. Default 8.
	Rank int `json:"rank"`
	// Alpha is LoRA's alpha: the update is scaled by alpha/r. Default 16.
	Alpha float64 `json:"alpha"`
	// Dropout is the probability of dropping an input of A while training. The default is .05; negative means none.
	Dropout float64 `json:"dropout"`
	// Modules are the adapted projections. Default q_proj and v_proj.
	Modules []string `json:"modules"`
	// RSLoRA scales by alpha/sqrt(r) instead.
	RSLoRA bool `json:"rslora,omitempty"`
	// TopLayers adapts that many of the uppermost layers only; 0 adapts all. What lies below them is the same for every adapter, so an
	// engine can compute it once for many jobs (engine.Freezer).
	TopLayers int `json:"top_layers,omitempty"`
}

// Adapter is one LoRA adapter in memory.
type Adapter struct {
	Config Config
	// Base names the backbone that the adapter belongs to.
	Base string
	// Layers holds the factors of every adapted projection.
	Layers map[Key]Factors
}
