"""First schema: spaces, datasets, benchmarks, runs, units and their results.

Revision: 0001
Follows: nothing
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

JSON = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
MOMENT = sa.DateTime(timezone=True)
BIG_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "datasets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("num_bytes", sa.BigInteger(), nullable=False),
        sa.Column("channels", sa.Integer(), nullable=False),
        sa.Column("height", sa.Integer(), nullable=False),
        sa.Column("width", sa.Integer(), nullable=False),
        sa.Column("classes", JSON, nullable=False),
        sa.Column("num_train", sa.Integer(), nullable=False),
        sa.Column("num_validation", sa.Integer(), nullable=False),
        sa.Column("num_test", sa.Integer(), nullable=False),
        sa.Column("split_seed", sa.Integer(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.UniqueConstraint("name", "version", name="uq_datasets_name_version"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("endpoint", sa.String(length=200), nullable=False),
        sa.Column("body_sha256", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("response", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("key", "endpoint", name="pk_idempotency_keys"),
    )
    op.create_table(
        "search_spaces",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("content_hash", sa.String(length=64), nullable=False),
        sa.Column("definition", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_search_spaces"),
        sa.UniqueConstraint("name", "version", name="uq_search_spaces_name_version"),
    )
    op.create_table(
        "benchmarks",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("space_id", sa.Integer(), nullable=False),
        sa.Column("num_entries", sa.Integer(), nullable=False),
        sa.Column("num_valid", sa.Integer(), nullable=False),
        sa.Column("recipe", JSON, nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["space_id"], ["search_spaces.id"], name="fk_benchmarks_space_id_search_spaces"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_benchmarks"),
        sa.UniqueConstraint("name", "version", name="uq_benchmarks_name_version"),
    )
    op.create_table(
        "benchmark_columns",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("benchmark_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("dataset", sa.String(length=100), nullable=True),
        sa.Column("metric", sa.String(length=32), nullable=False),
        sa.Column("is_truth", sa.Boolean(), nullable=False),
        sa.Column("num_known", sa.Integer(), nullable=False),
        sa.Column("num_valid", sa.Integer(), nullable=False),
        sa.Column("seeds", JSON, nullable=True),
        sa.Column("noise_ceiling", sa.Double(), nullable=True),
        sa.Column("noise_architectures", sa.Integer(), nullable=True),
        sa.Column("lowest", sa.Double(), nullable=True),
        sa.Column("highest", sa.Double(), nullable=True),
        sa.Column("by_count", JSON, nullable=False),
        sa.Column("twins", JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["benchmark_id"],
            ["benchmarks.id"],
            name="fk_benchmark_columns_benchmark_id_benchmarks",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_benchmark_columns"),
        sa.UniqueConstraint("benchmark_id", "name", name="uq_benchmark_columns_benchmark_id_name"),
    )
    op.create_table(
        "benchmark_entries",
        sa.Column("column_id", sa.Integer(), nullable=False),
        sa.Column("architecture", sa.String(length=2048), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("seeds", JSON, nullable=True),
        sa.Column("valid", sa.Boolean(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["column_id"],
            ["benchmark_columns.id"],
            name="fk_benchmark_entries_column_id_benchmark_columns",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("column_id", "architecture", name="pk_benchmark_entries"),
    )
    op.create_index(
        "ix_benchmark_entries_value", "benchmark_entries", ["column_id", "value"], unique=False
    )
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("spec", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("space_id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        sa.Column("benchmark_id", sa.Integer(), nullable=True),
        sa.Column("truth_id", sa.Integer(), nullable=True),
        sa.Column("cloned_from", sa.Integer(), nullable=True),
        sa.Column("inherits_from", sa.Integer(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("archived", sa.Boolean(), nullable=False),
        sa.Column("failure_class", sa.String(length=32), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["benchmark_id"], ["benchmarks.id"], name="fk_runs_benchmark_id_benchmarks"
        ),
        sa.ForeignKeyConstraint(
            ["cloned_from"], ["runs.id"], name="fk_runs_cloned_from_runs", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["dataset_id"], ["datasets.id"], name="fk_runs_dataset_id_datasets"
        ),
        sa.ForeignKeyConstraint(
            ["inherits_from"], ["runs.id"], name="fk_runs_inherits_from_runs", ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(
            ["space_id"], ["search_spaces.id"], name="fk_runs_space_id_search_spaces"
        ),
        sa.ForeignKeyConstraint(
            ["truth_id"], ["benchmark_columns.id"], name="fk_runs_truth_id_benchmark_columns"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_inherits_from", "runs", ["inherits_from"], unique=False)
    op.create_index("ix_runs_state", "runs", ["state"], unique=False)
    op.create_table(
        "build_trainings",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("architecture", sa.String(length=2048), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("accuracy", sa.Double(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("device", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_build_trainings_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "architecture", "seed", name="pk_build_trainings"),
    )
    op.create_table(
        "candidates",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("evaluation", sa.Integer(), nullable=False),
        sa.Column("architecture", sa.String(length=2048), nullable=False),
        sa.Column("subspace", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("best_score", sa.Double(), nullable=False),
        sa.Column("flops", sa.BigInteger(), nullable=False),
        sa.Column("parameters", sa.BigInteger(), nullable=False),
        sa.Column("nonlinearity_count", sa.Integer(), nullable=False),
        sa.Column("objectives", JSON, nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("latency_ms", sa.Double(), nullable=True),
        sa.Column("latency_spread_ms", sa.Double(), nullable=True),
        sa.Column("latency_device", sa.String(length=200), nullable=True),
        sa.Column("true_accuracy", sa.Double(), nullable=True),
        sa.Column("true_rank", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_candidates_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "evaluation", name="pk_candidates"),
    )
    op.create_table(
        "latencies",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("architecture", sa.String(length=2048), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("latency_ms", sa.Double(), nullable=False),
        sa.Column("latency_spread_ms", sa.Double(), nullable=False),
        sa.Column("latency_device", sa.String(length=200), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_latencies_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "architecture", name="pk_latencies"),
    )
    op.create_table(
        "correlations",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=8), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("scorer", sa.String(length=32), nullable=False),
        sa.Column("scope", sa.String(length=16), nullable=False),
        sa.Column("tau", sa.Double(), nullable=True),
        sa.Column("num_architectures", sa.Integer(), nullable=False),
        sa.Column("score_ties", sa.BigInteger(), nullable=False),
        sa.Column("truth_ties", sa.BigInteger(), nullable=False),
        sa.Column("measures", JSON, nullable=False),
        sa.Column("best", JSON, nullable=True),
        sa.Column("conditions", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_correlations_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_correlations"),
        sa.UniqueConstraint(
            "run_id",
            "stage",
            "step",
            "scorer",
            "scope",
            name="uq_correlations_run_id_stage_step_scorer_scope",
        ),
    )
    op.create_index("ix_correlations_run_id", "correlations", ["run_id"], unique=False)
    op.create_table(
        "combinations",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("scorer", sa.String(length=32), nullable=False),
        sa.Column("components", JSON, nullable=False),
        sa.Column("num_reference", sa.Integer(), nullable=False),
        sa.Column("landmarks", JSON, nullable=False),
        sa.Column("calibration", JSON, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_combinations_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "scorer", name="pk_combinations"),
    )
    op.create_table(
        "landmarks",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("architecture", sa.String(length=2048), nullable=False),
        sa.Column("index", sa.Integer(), nullable=False),
        sa.Column("subspace", sa.Integer(), nullable=False),
        sa.Column("source", sa.String(length=16), nullable=False),
        sa.Column("accuracy", sa.Double(), nullable=True),
        sa.Column("seeds", JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_landmarks_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "architecture", name="pk_landmarks"),
    )
    op.create_table(
        "scores",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=8), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("scorer", sa.String(length=32), nullable=False),
        sa.Column("architecture", sa.String(length=2048), nullable=False),
        sa.Column("subspace", sa.Integer(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("ranked", sa.Boolean(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_scores_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "run_id", "stage", "step", "scorer", "architecture", name="pk_scores"
        ),
    )
    op.create_table(
        "subspaces",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("index", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("label", sa.String(length=100), nullable=False),
        sa.Column("counts", JSON, nullable=False),
        sa.Column("size_all", sa.Text(), nullable=False),
        sa.Column("size_valid", sa.Text(), nullable=False),
        sa.Column("target_share", sa.Double(), nullable=True),
        sa.Column("target_updates", sa.Double(), nullable=True),
        sa.Column("operation_targets", JSON, nullable=True),
        sa.Column("supernet_width", sa.Integer(), nullable=False),
        sa.Column("supernet_parameters", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_subspaces_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "index", name="pk_subspaces"),
    )
    op.create_table(
        "units",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subspace", sa.Integer(), nullable=True),
        sa.Column("chunk", sa.Integer(), nullable=True),
        sa.Column("depends_on", JSON, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("fruitless_attempts", sa.Integer(), nullable=False),
        sa.Column("owner", sa.String(length=200), nullable=True),
        sa.Column("lease_until", MOMENT, nullable=True),
        sa.Column("progress", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("micro_batches", sa.Integer(), nullable=False),
        sa.Column("useful_seconds", sa.Double(), nullable=False),
        sa.Column("failure_class", sa.String(length=32), nullable=True),
        sa.Column("failure_message", sa.Text(), nullable=True),
        sa.Column("started_at", MOMENT, nullable=True),
        sa.Column("progress_at", MOMENT, nullable=True),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_units_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_units"),
        sa.UniqueConstraint("run_id", "key", name="uq_units_run_id_key"),
    )
    op.create_index("ix_units_run_id", "units", ["run_id"], unique=False)
    op.create_index("ix_units_state_lease", "units", ["state", "lease_until"], unique=False)
    op.create_table(
        "offered_chunks",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("device", sa.String(length=16), nullable=False),
        sa.Column("architectures", JSON, nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("attempt", sa.Integer(), nullable=True),
        sa.Column("scores", JSON, nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_offered_chunks_run_id_runs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name="fk_offered_chunks_unit_id_units", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "number", name="pk_offered_chunks"),
    )
    op.create_table(
        "retrainings",
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("architecture", sa.String(length=2048), nullable=False),
        sa.Column("subspace", sa.Integer(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("recipe", JSON, nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("cells_per_stage", sa.Integer(), nullable=True),
        sa.Column("epochs", sa.Integer(), nullable=False),
        sa.Column("best_epoch", sa.Integer(), nullable=True),
        sa.Column("kept_epoch", sa.Integer(), nullable=True),
        sa.Column("validation_accuracy", sa.Double(), nullable=True),
        sa.Column("test_accuracy", sa.Double(), nullable=True),
        sa.Column("seconds", sa.Double(), nullable=True),
        sa.Column("device", sa.String(length=16), nullable=True),
        sa.Column("weights_sha256", sa.String(length=64), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name="fk_retrainings_unit_id_units", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_retrainings_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("unit_id", name="pk_retrainings"),
    )
    op.create_index("ix_retrainings_run_id", "retrainings", ["run_id"], unique=False)
    op.create_table(
        "retraining_epochs",
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("loss", sa.Double(), nullable=False),
        sa.Column("learning_rate", sa.Double(), nullable=False),
        sa.Column("accuracy", sa.Double(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["unit_id"],
            ["units.id"],
            name="fk_retraining_epochs_unit_id_units",
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_retraining_epochs_run_id_runs", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("unit_id", "epoch", name="pk_retraining_epochs"),
    )
    op.create_index("ix_retraining_epochs_run_id", "retraining_epochs", ["run_id"], unique=False)
    op.create_table(
        "artifacts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("num_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_artifacts_run_id_runs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name="fk_artifacts_unit_id_units", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_artifacts"),
    )
    op.create_index("ix_artifacts_run_id", "artifacts", ["run_id"], unique=False)
    op.create_index("ix_artifacts_unit_step", "artifacts", ["unit_id", "step"], unique=False)
    op.create_table(
        "balance",
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("subspace", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("updates", sa.BigInteger(), nullable=False),
        sa.Column("samples", sa.BigInteger(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("operation_updates", JSON, nullable=False),
        sa.Column("operation_samples", JSON, nullable=False),
        sa.Column("operation_images", JSON, nullable=False),
        sa.Column("bank_updates", JSON, nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_balance_run_id_runs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name="fk_balance_unit_id_units", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("unit_id", "subspace", "step", name="pk_balance"),
    )
    op.create_index("ix_balance_run_id", "balance", ["run_id"], unique=False)
    op.create_table(
        "events",
        sa.Column("id", BIG_ID, nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("level", sa.String(length=8), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("data", JSON, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_events_run_id_runs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name="fk_events_unit_id_units", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_events_run", "events", ["run_id", "id"], unique=False)
    op.create_table(
        "metrics",
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("series", sa.String(length=32), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_metrics_run_id_runs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name="fk_metrics_unit_id_units", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("unit_id", "series", "step", name="pk_metrics"),
    )
    op.create_index("ix_metrics_run_id", "metrics", ["run_id"], unique=False)
    op.create_table(
        "round_parts",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_round_parts_run_id_runs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name="fk_round_parts_unit_id_units", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run_id", "step", "unit_id", name="pk_round_parts"),
    )
    op.create_table(
        "telemetry",
        sa.Column("unit_id", sa.Integer(), nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.Column("updates", sa.BigInteger(), nullable=False),
        sa.Column("images", sa.BigInteger(), nullable=False),
        sa.Column("data_seconds", sa.Double(), nullable=False),
        sa.Column("forward_seconds", sa.Double(), nullable=False),
        sa.Column("backward_seconds", sa.Double(), nullable=False),
        sa.Column("optimizer_seconds", sa.Double(), nullable=False),
        sa.Column("ranking_seconds", sa.Double(), nullable=False),
        sa.Column("checkpoint_seconds", sa.Double(), nullable=False),
        sa.Column("cpu_seconds", sa.Double(), nullable=True),
        sa.Column("memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("gpu_seconds", sa.Double(), nullable=True),
        sa.Column("gpu_memory_bytes", sa.BigInteger(), nullable=True),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.id"], name="fk_telemetry_run_id_runs", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name="fk_telemetry_unit_id_units", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("unit_id", "at", name="pk_telemetry"),
    )
    op.create_index("ix_telemetry_run_id", "telemetry", ["run_id"], unique=False)
    op.create_table(
        "workers",
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("hostname", sa.String(length=200), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("device", sa.String(length=200), nullable=False),
        sa.Column("max_processes", sa.Integer(), nullable=True),
        sa.Column("held_back", sa.Text(), nullable=True),
        sa.Column("unit_id", sa.Integer(), nullable=True),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("seen_at", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(
            ["unit_id"], ["units.id"], name="fk_workers_unit_id_units", ondelete="SET NULL"
        ),
        sa.PrimaryKeyConstraint("name", name="pk_workers"),
    )


def downgrade() -> None:
    op.drop_table("workers")
    op.drop_index("ix_telemetry_run_id", table_name="telemetry")
    op.drop_table("telemetry")
    op.drop_table("round_parts")
    op.drop_index("ix_metrics_run_id", table_name="metrics")
    op.drop_table("metrics")
    op.drop_index("ix_events_run", table_name="events")
    op.drop_table("events")
    op.drop_index("ix_balance_run_id", table_name="balance")
    op.drop_table("balance")
    op.drop_index("ix_retraining_epochs_run_id", table_name="retraining_epochs")
    op.drop_table("retraining_epochs")
    op.drop_index("ix_retrainings_run_id", table_name="retrainings")
    op.drop_table("retrainings")
    op.drop_index("ix_artifacts_unit_step", table_name="artifacts")
    op.drop_index("ix_artifacts_run_id", table_name="artifacts")
    op.drop_table("artifacts")
    op.drop_table("offered_chunks")
    op.drop_index("ix_units_state_lease", table_name="units")
    op.drop_index("ix_units_run_id", table_name="units")
    op.drop_table("units")
    op.drop_table("subspaces")
    op.drop_table("scores")
    op.drop_table("combinations")
    op.drop_table("landmarks")
    op.drop_index("ix_correlations_run_id", table_name="correlations")
    op.drop_table("correlations")
    op.drop_table("latencies")
    op.drop_table("candidates")
    op.drop_table("build_trainings")
    op.drop_index("ix_runs_state", table_name="runs")
    op.drop_index("ix_runs_inherits_from", table_name="runs")
    op.drop_table("runs")
    op.drop_index("ix_benchmark_entries_value", table_name="benchmark_entries")
    op.drop_table("benchmark_entries")
    op.drop_table("benchmark_columns")
    op.drop_table("benchmarks")
    op.drop_table("search_spaces")
    op.drop_table("idempotency_keys")
    op.drop_table("datasets")
