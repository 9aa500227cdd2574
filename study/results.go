package study

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"lsat/metric"
	"lsat/train"
)

// Results are what a run directory holds, read back from its results file.
type Results struct {
	Run         RunInfo
	Jobs        []Job
	Cells       []Cell
	Comparisons []Comparison
	// Curves are made of the scores of all samples, for plots.
	Curves Curves
}

// RunInfo says what a study was; see table run of schema.sql.
type RunInfo struct {
	Config                           Config
	Data, DataHash                   string
	Samples, Periods                 int
	Backbone, BackboneHash, Numerics string
	Template, TemplateHash           string
	Audit                            string
	// CompareTo is the strategy that all others are compared with.
	CompareTo string
	// Complete says that every cell and every comparison is there.
	Complete bool
}

// Job is a training job of the study.
type Job struct {
	Key, Name string
	Seed      uint64
	Spec      train.Spec
	// Kept is the key of the adapter that the job ended with: Key, or after a rollback an earlier job's.
	Kept              string
	ValidAUC, InitAUC float64
	BestStep, Steps   int
	Seconds           float64
}

// Cell is a strategy's, or a reference's, result on one test period. Numbers that do not exist are NaN.
type Cell struct {
	Seed           uint64
	Strategy       string
	Reference      bool
	Period, Update int
	Kind           string
	Weight         float64
	// Coefficients are those of a stack or of a sum of references; nil elsewhere.
	Coefficients   []Coefficient
	ValidAUC       float64
	Samples, Liked int
	AUC            metric.Estimate
	UserAUC        float64
	LogLoss, ECE   float64
	id             int64
}

// Comparison is a row's paired DeLong test against Reference, on one period or, with Period -1, averaged over all Periods that both have.
type Comparison struct {
	Seed                         uint64
	Strategy, Reference          string
	Period, Periods              int
	Difference, SE, Low, High, P float64
	// UserSE, UserLow, UserHigh and UserP are those of the bootstrap by users, for the mean; NaN on single periods.
	UserSE, UserLow, UserHigh, UserP float64
}

// ErrNoResults says that no study has got as far as results in a run directory.
var ErrNoResults = errors.New("no study has begun here")

// Read reads the results of a run directory, those of an unfinished study too. It fails with ErrNoResults where none has begun.
func Read(dir string) (*Results, error) {
	path := filepath.Join(dir, ResultsFile)
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("study: %s is no run directory: %w", dir, err)
	}
	db, err := sql.Open("sqlite", dsn(path, true))
	if err != nil {
		return nil, fmt.Errorf("study: %s: %w", path, err)
	}
	defer func() { _ = db.Close() }() // it is only read
	version, err := schemaOf(db, path)
	if err != nil {
		return nil, err
	}
	if version == 0 {
		return nil, fmt.Errorf("study: %s: %w", path, ErrNoResults)
	}
	r, err := readResults(db, path)
	if err != nil {
		return nil, err
	}
	if err := r.readCurves(db, version); err != nil {
		return nil, fmt.Errorf("study: %s: %w", path, err)
	}
	return r, nil
}

func readResults(db *sql.DB, path string) (*Results, error) {
	var r Results
	if err := errors.Join(r.readRun(db), r.readJobs(db), r.readCells(db), r.readComparisons(db)); err != nil {
		return nil, fmt.Errorf("study: %s: %w", path, err)
	}
	return &r, nil
}

func (r *Results) readRun(db *sql.DB) error {
	var config string
	i := &r.Run
	err := db.QueryRow(`SELECT config,data,data_hash,samples,periods,backbone,backbone_hash,numerics,template,template_hash,audit,compare_to,complete FROM run`).
		Scan(&config, &i.Data, &i.DataHash, &i.Samples, &i.Periods, &i.Backbone, &i.BackboneHash, &i.Numerics, &i.Template, &i.TemplateHash,
			&i.Audit, &i.CompareTo, &i.Complete)
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNoResults
	}
	if err != nil {
		return err
	}
	return json.Unmarshal([]byte(config), &i.Config)
}

// each calls scan for every row of a query.
func each(db *sql.DB, query string, scan func(*sql.Rows) error) error {
	rows, err := db.Query(query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // Err below tells what matters
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (r *Results) readJobs(db *sql.DB) error {
	return each(db, `SELECT key,seed,name,spec,kept,valid_auc,init_auc,best_step,steps,seconds FROM job ORDER BY seed,rowid`, func(rows *sql.Rows) error {
		var j Job
		var spec string
		var seed int64
		if err := rows.Scan(&j.Key, &seed, &j.Name, &spec, &j.Kept, &j.ValidAUC, &j.InitAUC, &j.BestStep, &j.Steps, &j.Seconds); err != nil {
			return err
		}
		j.Seed = uint64(seed)
		r.Jobs = append(r.Jobs, j)
		return json.Unmarshal([]byte(spec), &r.Jobs[len(r.Jobs)-1].Spec)
	})
}

func (r *Results) readCells(db *sql.DB) error {
	query := `SELECT id,seed,strategy,role,period,update_period,kind,weight,coefficients,valid_auc,samples,liked,auc,auc_se,user_auc,log_loss,ece
		FROM strategy_result ORDER BY period,strategy,seed`
	return each(db, query, func(rows *sql.Rows) error {
		var c Cell
		var role string
		var seed int64
		var weight, valid, user sql.NullFloat64
		var coefficients sql.NullString
		if err := rows.Scan(&c.id, &seed, &c.Strategy, &role, &c.Period, &c.Update, &c.Kind, &weight, &coefficients, &valid, &c.Samples, &c.Liked,
			&c.AUC.Value, &c.AUC.SE, &user, &c.LogLoss, &c.ECE); err != nil {
			return err
		}
		c.Seed, c.Reference = uint64(seed), role == "reference"
		c.Weight, c.ValidAUC, c.UserAUC = orNaN(weight), orNaN(valid), orNaN(user)
		if coefficients.Valid {
			if err := json.Unmarshal([]byte(coefficients.String), &c.Coefficients); err != nil {
				return err
			}
		}
		r.Cells = append(r.Cells, c)
		return nil
	})
}

func (r *Results) readComparisons(db *sql.DB) error {
	query := `SELECT seed,strategy,reference,period,periods,difference,se,low,high,p,user_se,user_low,user_high,user_p FROM comparison ORDER BY seed,strategy,period`
	return each(db, query, func(rows *sql.Rows) error {
		var c Comparison
		var seed int64
		var by [4]sql.NullFloat64
		if err := rows.Scan(&seed, &c.Strategy, &c.Reference, &c.Period, &c.Periods, &c.Difference, &c.SE, &c.Low, &c.High, &c.P,
			&by[0], &by[1], &by[2], &by[3]); err != nil {
			return err
		}
		c.Seed = uint64(seed)
		c.UserSE, c.UserLow, c.UserHigh, c.UserP = orNaN(by[0]), orNaN(by[1]), orNaN(by[2]), orNaN(by[3])
		r.Comparisons = append(r.Comparisons, c)
		return nil
	})
}

func orNaN(v sql.NullFloat64) float64 {
	if v.Valid {
		return v.Float64
	}
	return math.NaN()
}
