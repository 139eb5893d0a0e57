"""Names of components that exist in Bento: a name found here but not in the registry is refused as `not supported`, not as a mistake."""

from __future__ import annotations

from penstock_gateway.registry import Kind

KNOWN: dict[Kind, frozenset[str]] = {
    Kind.INPUT: frozenset(
        (
            "amqp_0_9 amqp_1 aws_kinesis aws_s3 aws_sqs azure_blob_storage azure_cosmosdb azure_queue_storage "
            "azure_service_bus_queue azure_table_storage batched beanstalkd broker cassandra "
            "cockroachdb_changefeed csv cypher discord dynamic etcd file file_tail fsevent gcp_bigquery_select "
            "gcp_cloud_storage gcp_pubsub gcp_spanner_cdc generate grpc_client hdfs http_client http_server "
            "inproc kafka kafka_franz kubernetes_watch mongodb mqtt nanomsg nats nats_jetstream nats_kv "
            "nats_object_store nats_stream nsq parquet pulsar read_until redis_list redis_pubsub redis_scan "
            "redis_streams resource s2 sequence sftp socket socket_server sql_raw sql_select stdin subprocess "
            "twitter_search websocket zmq4 zmq4n "
        ).split()
    ),
    Kind.OUTPUT: frozenset(
        (
            "amqp_0_9 amqp_1 aws_dynamodb aws_kinesis aws_kinesis_firehose aws_s3 aws_s3_stream aws_sns aws_sqs "
            "azure_blob_storage azure_cosmosdb azure_queue_storage azure_table_storage beanstalkd broker cache "
            "cassandra couchbase cypher datadog_logs discord drop drop_on duckdb_append dynamic elasticsearch "
            "elasticsearch_v2 fallback file gcp_bigquery gcp_bigquery_write_api gcp_bigtable gcp_cloud_storage "
            "gcp_pubsub grpc_client hdfs http_client http_server inproc kafka kafka_franz mongodb mqtt nanomsg "
            "nats nats_jetstream nats_kv nats_object_store nats_stream nsq opensearch pulsar pusher questdb "
            "redis_hash redis_list redis_pubsub redis_streams reject reject_errored resource retry s2 sftp "
            "slack_webhook snowflake_put socket splunk_hec sql sql_insert sql_raw stdout subprocess switch "
            "sync_response websocket zmq4 zmq4n "
        ).split()
    ),
    Kind.PROCESSOR: frozenset(
        (
            "archive avro awk aws_bedrock_invoke aws_dynamodb_partiql aws_lambda aws_s3 azure_cosmosdb bloblang "
            "bounds_check branch cache cached catch command compress couchbase decompress dedupe elasticsearch "
            "file for_each gcp_bigquery_select grok group_by group_by_value http insert_part javascript jmespath "
            "jq json_schema log mapping metric mongodb msgpack mutation nats_kv nats_object_store "
            "nats_request_reply nlp_classify_text nlp_classify_tokens nlp_extract_features nlp_zero_shot_classify "
            "noop opensnowcat parallel parquet_decode parquet_encode parse_log processors protobuf python "
            "rate_limit redis redis_script resource retry schema_registry_decode schema_registry_encode "
            "select_parts sentry_capture sleep split sql sql_insert sql_raw sql_select subprocess switch "
            "sync_response template try unarchive wasm while workflow xml "
        ).split()
    ),
    Kind.CACHE: frozenset(
        (
            "aws_dynamodb aws_s3 couchbase file gcp_cloud_storage lru memcached memory mongodb multilevel nats_kv "
            "noop redis ristretto sql ttlru "
        ).split()
    ),
    Kind.RATE_LIMIT: frozenset(("local redis ").split()),
    Kind.BUFFER: frozenset(("memory none sqlite system_window ").split()),
    Kind.METRICS: frozenset(("aws_cloudwatch influxdb json_api logger none prometheus statsd ").split()),
    Kind.TRACER: frozenset(("gcp_cloudtrace jaeger none open_telemetry_collector ").split()),
    Kind.SCANNER: frozenset(
        (
            "avro chunker csv decompress json_documents lines re_match skip_bom switch tar to_the_end xml_documents "
        ).split()
    ),
}
